"""The role `tokens`: JWT-SVIDs and bundles, a line of JSON for a question and one for its answer."""

import json
import sys
from typing import Any

from spiffe import JwtBundle, JwtSvid, TrustDomain, WorkloadApiClient
from spiffe.bundle.jwt_bundle.jwt_bundle_set import JwtBundleSet


def tokens() -> None:
    for line in sys.stdin:
        try:
            answer = answer_to(json.loads(line))
        except Exception as error:
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    todo = question["do"]
    if todo == "verify":
        return verify(question, bundles_of(question))
    if todo == "read":
        bundle = read_bundle(question["trustDomain"], question["bundle"])
        return {"jwt": sorted(bundle.jwt_authorities)}
    with WorkloadApiClient() as client:
        if todo == "fetch":
            return {"token": client.fetch_jwt_svid({question["audience"]}).token}
        return verify(question, client.fetch_jwt_bundles())


def verify(question: dict[str, Any], bundles: JwtBundleSet) -> dict[str, Any]:
    token, audience = question["token"], {question["audience"]}
    # Its verifier is given one bundle: the caller looks for the trust domain of the subject.
    subject = JwtSvid.parse_insecure(token, audience).spiffe_id
    bundle = bundles.get_bundle_for_trust_domain(subject.trust_domain)
    if bundle is None:
        raise LookupError("no bundle of the trust domain")
    return {"id": str(JwtSvid.parse_and_validate(token, bundle, audience).spiffe_id)}


def bundles_of(question: dict[str, Any]) -> JwtBundleSet:
    return JwtBundleSet.of([read_bundle(*each) for each in question["bundles"].items()])


def read_bundle(trust_domain: str, jwks: str) -> JwtBundle:
    return JwtBundle.parse(TrustDomain(trust_domain), jwks.encode())
