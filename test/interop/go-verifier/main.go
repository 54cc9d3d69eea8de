// go-verifier answers whether go-spiffe accepts chains of certificates: one question as a line of JSON
// on stdin, one answer as a line of JSON on stdout, in the same order.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"reflect"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// question holds DER in base64, which is how encoding/json reads []byte.
type question struct {
	// Chain is as a peer sends it, leaf first.
	Chain [][]byte `json:"chain"`
	// Bundles holds the authorities by the name of their trust domain.
	Bundles map[string][][]byte `json:"bundles"`
	// Now is in milliseconds since the epoch.
	Now int64 `json:"now"`
}

type answer struct {
	Accepted bool `json:"accepted"`
	// Code says in a word which part refused, and Message what it said.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

func main() {
	if err := answerAll(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func answerAll(in io.Reader, out io.Writer) error {
	questions := json.NewDecoder(bufio.NewReader(in))
	answers := json.NewEncoder(out)
	for {
		var asked question
		if err := questions.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(judge(asked)); err != nil {
			return err
		}
	}
}

func judge(asked question) answer {
	bundles, refusal := readBundles(asked.Bundles)
	if refusal != nil {
		return *refusal
	}
	chain := make([]*x509.Certificate, 0, len(asked.Chain))
	for _, der := range asked.Chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return refuse("unreadable", err)
		}
		chain = append(chain, certificate)
	}
	_, _, err := x509svid.Verify(chain, bundles, x509svid.WithTime(time.UnixMilli(asked.Now)))
	if err != nil {
		return refuse(codeOf(err), err)
	}
	return answer{Accepted: true}
}

func readBundles(asked map[string][][]byte) (*x509bundle.Set, *answer) {
	bundles := x509bundle.NewSet()
	for name, authorities := range asked {
		trustDomain, err := spiffeid.TrustDomainFromString(name)
		if err != nil {
			refusal := refuse("invalid-trust-domain", err)
			return nil, &refusal
		}
		bundle := x509bundle.New(trustDomain)
		for _, der := range authorities {
			authority, err := x509.ParseCertificate(der)
			if err != nil {
				refusal := refuse("unreadable-authority", err)
				return nil, &refusal
			}
			bundle.AddX509Authority(authority)
		}
		bundles.Add(bundle)
	}
	return bundles, nil
}

var reasons = map[x509.InvalidReason]string{
	x509.NotAuthorizedToSign:           "NotAuthorizedToSign",
	x509.Expired:                       "Expired",
	x509.CANotAuthorizedForThisName:    "CANotAuthorizedForThisName",
	x509.TooManyIntermediates:          "TooManyIntermediates",
	x509.IncompatibleUsage:             "IncompatibleUsage",
	x509.NameMismatch:                  "NameMismatch",
	x509.NameConstraintsWithoutSANs:    "NameConstraintsWithoutSANs",
	x509.UnconstrainedName:             "UnconstrainedName",
	x509.TooManyConstraints:            "TooManyConstraints",
	x509.CANotAuthorizedForExtKeyUsage: "CANotAuthorizedForExtKeyUsage",
	x509.NoValidChains:                 "NoValidChains",
}

// codeOf names the error of crypto/x509 below, or says that go-spiffe itself refused.
func codeOf(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		return reasons[invalid.Reason]
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "UnknownAuthority"
	}
	var critical x509.UnhandledCriticalExtension
	if errors.As(err, &critical) {
		return "UnhandledCriticalExtension"
	}
	if inner := innermost(err); reflect.TypeOf(inner).PkgPath() == "crypto/x509" {
		return fmt.Sprintf("%T", inner)
	}
	return "go-spiffe"
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func refuse(code string, err error) answer {
	return answer{Code: code, Message: err.Error()}
}
