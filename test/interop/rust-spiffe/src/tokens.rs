//! The role `tokens`: JWT-SVIDs and bundles, a line of JSON for a question and one for its answer.

use std::error::Error;

use serde_json::{json, Value};
use spiffe::{JwtBundle, JwtBundleSet, JwtSvid, TrustDomain, WorkloadApiClient};
use tokio::io::{stdin, AsyncBufReadExt, BufReader};

use crate::Outcome;

pub async fn tokens() -> Outcome<()> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let question: Value = serde_json::from_str(&line)?;
        let answer = answer(&question)
            .await
            .unwrap_or_else(|error| json!({ "error": whole(error.as_ref()) }));
        println!("{answer}");
    }
    Ok(())
}

async fn answer(question: &Value) -> Outcome<Value> {
    match text(question, "do")? {
        "verify" => verify(question, &bundles_of(question)?),
        "read" => read(question),
        "fetch" => {
            let client = WorkloadApiClient::connect_env().await?;
            let svid = client
                .fetch_jwt_svid([text(question, "audience")?], None)
                .await?;
            Ok(json!({ "token": svid.token() }))
        }
        "check" => {
            let client = WorkloadApiClient::connect_env().await?;
            verify(question, &client.fetch_jwt_bundles().await?)
        }
        _ => Err("verify, read, fetch or check".into()),
    }
}

fn verify(question: &Value, bundles: &JwtBundleSet) -> Outcome<Value> {
    let audience = [text(question, "audience")?];
    let svid = JwtSvid::parse_and_validate(text(question, "token")?, bundles, &audience)?;
    Ok(json!({ "id": svid.spiffe_id().to_string() }))
}

fn read(question: &Value) -> Outcome<Value> {
    let bundle = read_bundle(text(question, "trustDomain")?, text(question, "bundle")?)?;
    let mut names: Vec<&str> = bundle.jwt_authorities().map(|each| each.key_id()).collect();
    names.sort_unstable();
    Ok(json!({ "jwt": names }))
}

fn bundles_of(question: &Value) -> Outcome<JwtBundleSet> {
    let bundles = question["bundles"].as_object().ok_or("no bundles")?;
    bundles
        .iter()
        .map(|(name, bundle)| read_bundle(name, bundle.as_str().ok_or("no bundle")?))
        .collect()
}

fn read_bundle(trust_domain: &str, jwks: &str) -> Outcome<JwtBundle> {
    let trust_domain = TrustDomain::new(trust_domain)?;
    Ok(JwtBundle::from_jwt_authorities(trust_domain, jwks.as_bytes())?)
}

fn text<'a>(question: &'a Value, name: &str) -> Outcome<&'a str> {
    question[name].as_str().ok_or_else(|| format!("no {name}").into())
}

/// An error with its causes.
fn whole(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        said = format!("{said}: {cause}");
        next = cause.source();
    }
    said
}
