"""A repository of python-tuf, and its client: answers each line of stdin with one of stdout."""

import hashlib
import os
import sys
from datetime import datetime, timedelta, timezone

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.ngclient import Updater

PARTNERS = "partners"
EXPIRES = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=5)


def new_signers(role):
    """Each role has keys of other kinds, and the root three, two of which have to sign."""
    kinds = {
        "root": [
            CryptoSigner.generate_ed25519,
            CryptoSigner.generate_ecdsa,
            CryptoSigner.generate_rsa,
        ],
        "targets": [CryptoSigner.generate_ecdsa],
        "snapshot": [CryptoSigner.generate_rsa],
        "timestamp": [CryptoSigner.generate_ed25519],
        PARTNERS: [CryptoSigner.generate_ecdsa],
    }
    return [generate() for generate in kinds[role]]


class Repository:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(f"{folder}/metadata")
        os.makedirs(f"{folder}/targets")
        names = ["root", "targets", "snapshot", "timestamp", PARTNERS]
        self.signers = {name: new_signers(name) for name in names}
        self.root = Metadata(Root(expires=EXPIRES))
        for name in names[:-1]:
            for signer in self.signers[name]:
                self.root.signed.add_key(signer.public_key, name)
        self.root.signed.roles["root"].threshold = 2
        self.targets = Metadata(Targets(expires=EXPIRES))
        self.partners = Metadata(Targets(expires=EXPIRES))
        key = self.signers[PARTNERS][0].public_key
        role = DelegatedRole(PARTNERS, [key.keyid], 1, True, [f"{PARTNERS}/*"])
        self.targets.signed.delegations = Delegations({key.keyid: key}, roles={PARTNERS: role})
        self.snapshot = Metadata(Snapshot(expires=EXPIRES))
        self.timestamp = Metadata(Timestamp(expires=EXPIRES))
        self.sign_root([])
        self.publish(is_first=True)

    def sign_root(self, former):
        self.root.signatures.clear()
        for signer in [*self.signers["root"], *former]:
            self.root.sign(signer, append=True)
        self.root.to_file(f"{self.folder}/metadata/{self.root.signed.version}.root.json")

    def write(self, name, metadata):
        metadata.signatures.clear()
        for signer in self.signers[name]:
            metadata.sign(signer, append=True)
        prefix = "" if name == "timestamp" else f"{metadata.signed.version}."
        metadata.to_file(f"{self.folder}/metadata/{prefix}{name}.json")

    def publish(self, is_first=False):
        for metadata in [self.targets, self.partners, self.snapshot, self.timestamp]:
            metadata.signed.version += 0 if is_first else 1
        self.write("targets", self.targets)
        self.write(PARTNERS, self.partners)
        self.snapshot.signed.meta = {
            "targets.json": MetaFile(self.targets.signed.version),
            f"{PARTNERS}.json": MetaFile(self.partners.signed.version),
        }
        self.write("snapshot", self.snapshot)
        text = self.snapshot.to_bytes()
        self.timestamp.signed.snapshot_meta = MetaFile.from_data(
            self.snapshot.signed.version, text, ["sha256"]
        )
        with open(
            f"{self.folder}/metadata/{self.snapshot.signed.version}.snapshot.json", "wb"
        ) as file:
            file.write(text)
        self.write("timestamp", self.timestamp)

    def target(self, path, file):
        with open(file, "rb") as content:
            data = content.read()
        entry = TargetFile.from_data(path, data, ["sha256", "sha512"])
        owner = self.partners if path.startswith(f"{PARTNERS}/") else self.targets
        owner.signed.targets[path] = entry
        folder, name = os.path.split(path)
        os.makedirs(f"{self.folder}/targets/{folder}", exist_ok=True)
        for digest in entry.hashes.values():
            with open(f"{self.folder}/targets/{folder}/{digest}.{name}", "wb") as copy:
                copy.write(data)
        self.publish()

    def rotate(self, role):
        former = self.signers[role]
        self.signers[role] = new_signers(role)
        for signer in former:
            self.root.signed.revoke_key(signer.public_key.keyid, role)
        for signer in self.signers[role]:
            self.root.signed.add_key(signer.public_key, role)
        self.root.signed.version += 1
        self.sign_root(former if role == "root" else [])
        self.publish()


def fetch(url, root, folder, path):
    """The client of python-tuf: the SHA-256 of a target."""
    os.makedirs(f"{folder}/targets", exist_ok=True)
    with open(root, "rb") as file:
        updater = Updater(
            f"{folder}/metadata",
            f"{url}/metadata/",
            f"{folder}/targets",
            f"{url}/targets/",
            bootstrap=file.read(),
        )
    info = updater.get_targetinfo(path)
    with open(updater.download_target(info), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def main():
    repository = None
    for line in sys.stdin:
        command, *arguments = line.rstrip("\n").split("\t")
        try:
            if command == "fetch":
                answer = fetch(*arguments)
            elif command == "init":
                repository, answer = Repository(*arguments), "ok"
            else:
                getattr(repository, command)(*arguments)
                answer = "ok"
        except Exception as error:  # noqa: BLE001
            answer = f"error {error!r}".replace("\n", " ")
        print(answer, flush=True)


main()
