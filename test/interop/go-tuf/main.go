// A repository of go-tuf, and its client: answers each line of stdin with one of stdout.
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

const partners = "partners"

type signer struct {
	key    *metadata.Key
	signer signature.Signer
}

func newSigner(kind string) (signer, error) {
	var private crypto.Signer
	var err error
	var sign signature.Signer
	switch kind {
	case "ecdsa":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return signer{}, err
	}
	if pair, ok := private.(*rsa.PrivateKey); ok {
		sign, err = signature.LoadRSAPSSSigner(pair, crypto.SHA256, &rsa.PSSOptions{Hash: crypto.SHA256})
	} else {
		sign, err = signature.LoadSigner(private, crypto.SHA256)
	}
	if err != nil {
		return signer{}, err
	}
	key, err := metadata.KeyFromPublicKey(private.Public())
	return signer{key, sign}, err
}

// Each role has keys of other kinds, and the root three, two of which have to sign.
var kinds = map[string][]string{
	metadata.ROOT:      {"ed25519", "ecdsa", "rsa"},
	metadata.TARGETS:   {"ecdsa"},
	metadata.SNAPSHOT:  {"rsa"},
	metadata.TIMESTAMP: {"ed25519"},
	partners:           {"ecdsa"},
}

func newSigners(role string) ([]signer, error) {
	var made []signer
	for _, kind := range kinds[role] {
		one, err := newSigner(kind)
		if err != nil {
			return nil, err
		}
		made = append(made, one)
	}
	return made, nil
}

type repository struct {
	folder    string
	signers   map[string][]signer
	root      *metadata.Metadata[metadata.RootType]
	targets   *metadata.Metadata[metadata.TargetsType]
	partners  *metadata.Metadata[metadata.TargetsType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	timestamp *metadata.Metadata[metadata.TimestampType]
}

func newRepository(folder string) (*repository, error) {
	expires := time.Now().UTC().AddDate(0, 0, 5)
	r := &repository{
		folder:    folder,
		signers:   map[string][]signer{},
		root:      metadata.Root(expires),
		targets:   metadata.Targets(expires),
		partners:  metadata.Targets(expires),
		snapshot:  metadata.Snapshot(expires),
		timestamp: metadata.Timestamp(expires),
	}
	for _, name := range []string{"metadata", "targets"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o755); err != nil {
			return nil, err
		}
	}
	for role := range kinds {
		made, err := newSigners(role)
		if err != nil {
			return nil, err
		}
		r.signers[role] = made
		if role == partners {
			continue
		}
		for _, one := range made {
			if err := r.root.Signed.AddKey(one.key, role); err != nil {
				return nil, err
			}
		}
	}
	r.root.Signed.Roles[metadata.ROOT].Threshold = 2
	key := r.signers[partners][0].key
	keyID, err := key.ID()
	if err != nil {
		return nil, err
	}
	r.targets.Signed.Delegations = &metadata.Delegations{
		Keys: map[string]*metadata.Key{keyID: key},
		Roles: []metadata.DelegatedRole{{
			Name: partners, KeyIDs: []string{keyID}, Threshold: 1,
			Terminating: true, Paths: []string{partners + "/*"},
		}},
	}
	r.snapshot.Signed.Meta[partners+".json"] = metadata.MetaFile(1)
	if err := r.signRoot(nil); err != nil {
		return nil, err
	}
	return r, r.write()
}

func sign[T metadata.Roles](m *metadata.Metadata[T], signers []signer) error {
	m.ClearSignatures()
	for _, one := range signers {
		if _, err := m.Sign(one.signer); err != nil {
			return err
		}
	}
	return nil
}

func (r *repository) file(name string, version int64) string {
	return filepath.Join(r.folder, "metadata", fmt.Sprintf("%d.%s.json", version, name))
}

func (r *repository) signRoot(former []signer) error {
	all := append(append([]signer{}, r.signers[metadata.ROOT]...), former...)
	if err := sign(r.root, all); err != nil {
		return err
	}
	return r.root.ToFile(r.file(metadata.ROOT, r.root.Signed.Version), true)
}

func (r *repository) publish() error {
	r.targets.Signed.Version++
	r.partners.Signed.Version++
	r.snapshot.Signed.Version++
	r.timestamp.Signed.Version++
	return r.write()
}

func (r *repository) write() error {
	r.snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(r.targets.Signed.Version)
	r.snapshot.Signed.Meta[partners+".json"] = metadata.MetaFile(r.partners.Signed.Version)
	r.timestamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(r.snapshot.Signed.Version)
	if err := sign(r.targets, r.signers[metadata.TARGETS]); err != nil {
		return err
	}
	if err := sign(r.partners, r.signers[partners]); err != nil {
		return err
	}
	if err := sign(r.snapshot, r.signers[metadata.SNAPSHOT]); err != nil {
		return err
	}
	if err := sign(r.timestamp, r.signers[metadata.TIMESTAMP]); err != nil {
		return err
	}
	if err := r.targets.ToFile(r.file(metadata.TARGETS, r.targets.Signed.Version), true); err != nil {
		return err
	}
	if err := r.partners.ToFile(r.file(partners, r.partners.Signed.Version), true); err != nil {
		return err
	}
	if err := r.snapshot.ToFile(r.file(metadata.SNAPSHOT, r.snapshot.Signed.Version), true); err != nil {
		return err
	}
	return r.timestamp.ToFile(filepath.Join(r.folder, "metadata", "timestamp.json"), true)
}

func (r *repository) target(path, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	entry, err := metadata.TargetFile().FromBytes(path, data, "sha256", "sha512")
	if err != nil {
		return err
	}
	owner := r.targets
	if strings.HasPrefix(path, partners+"/") {
		owner = r.partners
	}
	owner.Signed.Targets[path] = entry
	folder := filepath.Join(r.folder, "targets", filepath.Dir(path))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, digest := range entry.Hashes {
		name := fmt.Sprintf("%s.%s", hex.EncodeToString(digest), filepath.Base(path))
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			return err
		}
	}
	return r.publish()
}

func (r *repository) rotate(role string) error {
	former := r.signers[role]
	made, err := newSigners(role)
	if err != nil {
		return err
	}
	r.signers[role] = made
	for _, one := range former {
		keyID, err := one.key.ID()
		if err != nil {
			return err
		}
		if err := r.root.Signed.RevokeKey(keyID, role); err != nil {
			return err
		}
	}
	for _, one := range made {
		if err := r.root.Signed.AddKey(one.key, role); err != nil {
			return err
		}
	}
	r.root.Signed.Version++
	if role != metadata.ROOT {
		former = nil
	}
	if err := r.signRoot(former); err != nil {
		return err
	}
	return r.publish()
}

// The client of go-tuf: the SHA-256 of a target.
func fetch(url, root, folder, path string) (string, error) {
	bytes, err := os.ReadFile(root)
	if err != nil {
		return "", err
	}
	cfg, err := config.New(url+"/metadata", bytes)
	if err != nil {
		return "", err
	}
	cfg.LocalMetadataDir = filepath.Join(folder, "metadata")
	cfg.LocalTargetsDir = filepath.Join(folder, "targets")
	cfg.RemoteTargetsURL = url + "/targets"
	if err := cfg.EnsurePathsExist(); err != nil {
		return "", err
	}
	client, err := updater.New(cfg)
	if err != nil {
		return "", err
	}
	if err := client.Refresh(); err != nil {
		return "", err
	}
	info, err := client.GetTargetInfo(path)
	if err != nil {
		return "", err
	}
	_, data, err := client.DownloadTarget(info, "", "")
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:]), nil
}

func main() {
	var r *repository
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		answer := "ok"
		var err error
		switch words[0] {
		case "init":
			r, err = newRepository(words[1])
		case "target":
			err = r.target(words[1], words[2])
		case "rotate":
			err = r.rotate(words[1])
		case "fetch":
			answer, err = fetch(words[1], words[2], words[3], words[4])
		default:
			err = fmt.Errorf("no command %q", words[0])
		}
		if err != nil {
			answer = strings.ReplaceAll(fmt.Sprintf("error %v", err), "\n", " ")
		}
		fmt.Println(answer)
	}
}
