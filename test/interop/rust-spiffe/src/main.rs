//! rust-spiffe as a peer. How it is talked to stands in ../README.md.

mod tokens;

use std::error::Error;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use spiffe::X509Source;
use spiffe_rustls::{authorizer, mtls_client, mtls_server};
use spiffe_rustls_tokio::{PeerIdentity, TlsAcceptor, TlsConnector};
use tokio::io::{stdin, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["tokens"] {
        return tokens::tokens().await;
    }
    let source = X509Source::new().await?;
    match arguments.split_first() {
        Some((role, rest)) if role == "client" => client(source, rest).await,
        Some((role, rest)) if role == "server" => server(source, rest).await,
        _ => Err("usage: client <address> <SPIFFE ID> | server <SPIFFE ID>... | tokens".into()),
    }
}

async fn client(source: X509Source, arguments: &[String]) -> Outcome<()> {
    let [address, server] = arguments else {
        return Err("a client needs an address and a SPIFFE ID".into());
    };
    let config = mtls_client(source)
        .authorize(authorizer::exact([server.as_str()])?)
        .build()?;
    let connector = TlsConnector::new(Arc::new(config));
    println!("ready");
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        match get(&connector, address).await {
            Ok((server, body)) => println!("ok {server} {body}"),
            Err(error) => println!("refused {}", error.to_string().replace('\n', " ")),
        }
    }
    Ok(())
}

async fn get(connector: &TlsConnector, address: &str) -> Outcome<(String, String)> {
    let name = ServerName::try_from("orders.a.test")?;
    let (mut stream, peer) = connector.connect_addr(address.parse()?, name).await?;
    stream
        .write_all(b"GET /orders HTTP/1.1\r\nHost: orders.a.test\r\nConnection: close\r\n\r\n")
        .await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or("no response")?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(head.lines().next().unwrap_or_default().into());
    }
    Ok((id_of(&peer)?, body.to_owned()))
}

async fn server(source: X509Source, callers: &[String]) -> Outcome<()> {
    let config = mtls_server(source)
        .authorize(authorizer::exact(callers.iter().map(String::as_str))?)
        .build()?;
    let acceptor = TlsAcceptor::new(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?.port());
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let (stream, _) = connection?;
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(&acceptor, stream).await {
                        eprintln!("refused {error}");
                    }
                });
            }
            line = lines.next_line() => {
                if line?.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

async fn answer(acceptor: &TlsAcceptor, stream: TcpStream) -> Outcome<()> {
    let (mut stream, peer) = acceptor.accept(stream).await?;
    let mut request = BufReader::new(&mut stream).lines();
    while request.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    let body = format!("{{\"caller\":\"{}\"}}", id_of(&peer)?);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

fn id_of(peer: &PeerIdentity) -> Outcome<String> {
    Ok(peer.spiffe_id().ok_or("the peer has no SPIFFE ID")?.to_string())
}
