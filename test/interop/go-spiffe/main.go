// go-spiffe as a peer. How it is talked to stands in ../README.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "tokens" {
		return tokens(os.Stdin, os.Stdout)
	}
	source, err := workloadapi.NewX509Source(context.Background())
	if err != nil {
		return err
	}
	defer source.Close()
	switch {
	case len(arguments) == 3 && arguments[0] == "client":
		return client(source, arguments[1], arguments[2])
	case len(arguments) > 1 && arguments[0] == "server":
		return server(source, arguments[1:])
	default:
		return errors.New("usage: client <address> <SPIFFE ID> | server <SPIFFE ID>... | tokens")
	}
}

func client(source *workloadapi.X509Source, address, server string) error {
	id, err := spiffeid.FromString(server)
	if err != nil {
		return err
	}
	connect := func(keepAlive bool) *http.Client {
		return &http.Client{Transport: &http.Transport{
			TLSClientConfig:   tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id)),
			DisableKeepAlives: !keepAlive,
		}}
	}
	clients := map[string]*http.Client{"get": connect(false), "keep": connect(true)}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if id, body, err := get(clients[lines.Text()], "https://"+address+"/orders"); err != nil {
			fmt.Println("refused", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", id, body)
		}
	}
	return nil
}

func get(client *http.Client, url string) (id spiffeid.ID, body string, err error) {
	response, err := client.Get(url)
	if err != nil {
		return id, "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return id, "", errors.New(response.Status)
	}
	if id, err = x509svid.IDFromCert(response.TLS.PeerCertificates[0]); err != nil {
		return id, "", err
	}
	bytes, err := io.ReadAll(response.Body)
	return id, string(bytes), err
}

func server(source *workloadapi.X509Source, callers []string) error {
	var ids []spiffeid.ID
	for _, caller := range callers {
		id, err := spiffeid.FromString(caller)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:   http.HandlerFunc(answer),
		TLSConfig: tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeOneOf(ids...)),
	}
	go server.ServeTLS(listener, "", "")
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Close())
}

func answer(response http.ResponseWriter, request *http.Request) {
	id, err := x509svid.IDFromCert(request.TLS.PeerCertificates[0])
	if err != nil {
		http.Error(response, err.Error(), http.StatusForbidden)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	json.NewEncoder(response).Encode(map[string]string{"caller": id.String()})
}
