package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// question is a line of the role `tokens`. What a question needs depends on what it says to do.
type question struct {
	Do          string            `json:"do"`
	Token       string            `json:"token"`
	Audience    string            `json:"audience"`
	Bundles     map[string]string `json:"bundles"`
	TrustDomain string            `json:"trustDomain"`
	Bundle      string            `json:"bundle"`
}

type reply map[string]any

// tokens answers each question by a line, in the same order.
func tokens(in io.Reader, out io.Writer) error {
	questions := json.NewDecoder(bufio.NewReader(in))
	answers := json.NewEncoder(out)
	for {
		var asked question
		if err := questions.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		given, err := replyTo(context.Background(), asked)
		if err != nil {
			given = reply{"error": err.Error()}
		}
		if err := answers.Encode(given); err != nil {
			return err
		}
	}
}

func replyTo(ctx context.Context, asked question) (reply, error) {
	switch asked.Do {
	case "verify":
		bundles, err := readBundles(asked.Bundles)
		if err != nil {
			return nil, err
		}
		return verify(asked, bundles)
	case "read":
		return read(asked)
	case "fetch":
		svid, err := workloadapi.FetchJWTSVID(ctx, jwtsvid.Params{Audience: asked.Audience})
		if err != nil {
			return nil, err
		}
		return reply{"token": svid.Marshal()}, nil
	case "check":
		source, err := workloadapi.NewJWTSource(ctx)
		if err != nil {
			return nil, err
		}
		defer source.Close()
		return verify(asked, source)
	default:
		return nil, errors.New("verify, read, fetch or check")
	}
}

func verify(asked question, bundles jwtbundle.Source) (reply, error) {
	svid, err := jwtsvid.ParseAndValidate(asked.Token, bundles, []string{asked.Audience})
	if err != nil {
		return nil, err
	}
	return reply{"id": svid.ID.String()}, nil
}

func readBundles(texts map[string]string) (*jwtbundle.Set, error) {
	set := jwtbundle.NewSet()
	for name, text := range texts {
		bundle, err := readBundle(name, text)
		if err != nil {
			return nil, err
		}
		set.Add(bundle.JWTBundle())
	}
	return set, nil
}

func readBundle(name, text string) (*spiffebundle.Bundle, error) {
	trustDomain, err := spiffeid.TrustDomainFromString(name)
	if err != nil {
		return nil, err
	}
	return spiffebundle.Parse(trustDomain, []byte(text))
}

func read(asked question) (reply, error) {
	bundle, err := readBundle(asked.TrustDomain, asked.Bundle)
	if err != nil {
		return nil, err
	}
	certificates := [][]byte{}
	for _, authority := range bundle.X509Authorities() {
		certificates = append(certificates, authority.Raw)
	}
	content := reply{
		"x509": certificates,
		"jwt":  append([]string{}, slices.Sorted(maps.Keys(bundle.JWTAuthorities()))...),
	}
	if sequence, ok := bundle.SequenceNumber(); ok {
		content["sequence"] = strconv.FormatUint(sequence, 10)
	}
	if hint, ok := bundle.RefreshHint(); ok {
		content["refreshHint"] = hint.Seconds()
	}
	return content, nil
}
