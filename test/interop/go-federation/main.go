// The package federation of go-spiffe, as a consumer of a bundle endpoint and as one. How it is talked to stands in
// program.ts.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const pollInterval = 100 * time.Millisecond

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 4 {
		return errors.New("usage: watch|serve <trust domain> ...")
	}
	trustDomain, err := spiffeid.TrustDomainFromString(arguments[1])
	if err != nil {
		return err
	}
	switch arguments[0] {
	case "watch":
		return watch(trustDomain, arguments[2], arguments[3:])
	case "serve":
		return serve(trustDomain, arguments[2], arguments[3:])
	default:
		return errors.New("neither watch nor serve")
	}
}

// A watcher tells of each update and error by a line, and verifies by what it was told last.
type watcher struct {
	set *spiffebundle.Set
}

func (w watcher) NextRefresh(time.Duration) time.Duration { return pollInterval }

func (w watcher) OnUpdate(bundle *spiffebundle.Bundle) {
	w.set.Add(bundle)
	sequence, _ := bundle.SequenceNumber()
	hint, _ := bundle.RefreshHint()
	fmt.Printf("update %d %d %d %d\n", sequence, int(hint.Seconds()),
		len(bundle.X509Authorities()), len(bundle.JWTAuthorities()))
}

func (w watcher) OnError(err error) {
	fmt.Printf("error %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
}

// watch <trust domain> <url> spiffe <endpoint SPIFFE ID> <file of the first bundle>
// watch <trust domain> <url> web <file of the CA>
func watch(trustDomain spiffeid.TrustDomain, url string, auth []string) error {
	set := spiffebundle.NewSet()
	option, err := fetchOption(trustDomain, set, auth)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		// Ends with its stdin.
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		}
		cancel()
	}()
	err = federation.WatchBundle(ctx, trustDomain, url, watcher{set}, option)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func fetchOption(trustDomain spiffeid.TrustDomain, set *spiffebundle.Set, auth []string) (federation.FetchOption, error) {
	if len(auth) == 2 && auth[0] == "web" {
		pem, err := os.ReadFile(auth[1])
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		return federation.WithWebPKIRoots(roots), nil
	}
	if len(auth) != 3 || auth[0] != "spiffe" {
		return nil, errors.New("neither web nor spiffe")
	}
	id, err := spiffeid.FromString(auth[1])
	if err != nil {
		return nil, err
	}
	first, err := spiffebundle.Load(trustDomain, auth[2])
	if err != nil {
		return nil, err
	}
	set.Add(first)
	return federation.WithSPIFFEAuth(set, id), nil
}

// serve <trust domain> <file of the bundle> spiffe
// serve <trust domain> <file of the bundle> web <certificate> <key>
func serve(trustDomain spiffeid.TrustDomain, file string, auth []string) error {
	set := spiffebundle.NewSet()
	load := func() error {
		bundle, err := spiffebundle.Load(trustDomain, file)
		if err == nil {
			set.Add(bundle)
		}
		return err
	}
	if err := load(); err != nil {
		return err
	}
	handler, err := federation.NewHandler(trustDomain, set)
	if err != nil {
		return err
	}
	config, err := serverConfig(auth)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(tls.NewListener(listener, config)) }()
	// Each line of stdin has the file read again.
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		if err := load(); err != nil {
			return err
		}
		fmt.Println("ok")
	}
	return server.Close()
}

func serverConfig(auth []string) (*tls.Config, error) {
	if len(auth) == 3 && auth[0] == "web" {
		certificate, err := tls.LoadX509KeyPair(auth[1], auth[2])
		return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, err
	}
	source, err := workloadapi.NewX509Source(context.Background())
	if err != nil {
		return nil, err
	}
	return tlsconfig.TLSServerConfig(source), nil
}
