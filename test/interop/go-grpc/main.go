// grpc-go with the credentials of go-spiffe, as a server and as a client. How it is talked to stands in program.ts.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffegrpc/grpccredentials"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	say  = "/interop.v1.Words/Say"
	echo = "/interop.v1.Words/Echo"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
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
		return errors.New("usage: client <address> <SPIFFE ID> | server <SPIFFE ID>...")
	}
}

func client(source *workloadapi.X509Source, address, server string) error {
	id, err := spiffeid.FromString(server)
	if err != nil {
		return err
	}
	authorize := tlsconfig.AuthorizeID(id)
	connection, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(grpccredentials.MTLSClientCredentials(source, source, authorize)))
	if err != nil {
		return err
	}
	defer connection.Close()
	var stream grpc.ClientStream
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		command, word, _ := strings.Cut(lines.Text(), " ")
		var answer string
		var err error
		switch command {
		case "say":
			answer, err = call(connection, word)
		case "open":
			stream, err = connection.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, echo)
		case "echo":
			answer, err = exchange(stream, word)
		default:
			err = errors.New("unknown command")
		}
		if err != nil {
			fmt.Println("failed", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", answer)
		}
	}
	return nil
}

func call(connection *grpc.ClientConn, word string) (string, error) {
	answer := new(wrapperspb.StringValue)
	err := connection.Invoke(context.Background(), say, wrapperspb.String(word), answer)
	return answer.Value, err
}

func exchange(stream grpc.ClientStream, word string) (string, error) {
	if err := stream.SendMsg(wrapperspb.String(word)); err != nil {
		return "", err
	}
	answer := new(wrapperspb.StringValue)
	err := stream.RecvMsg(answer)
	return answer.Value, err
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
	authorize := tlsconfig.AuthorizeOneOf(ids...)
	server := grpc.NewServer(grpc.Creds(grpccredentials.MTLSServerCredentials(source, source, authorize)))
	server.RegisterService(&words, nil)
	go server.Serve(listener)
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	_, err = io.Copy(io.Discard, os.Stdin)
	server.Stop()
	return err
}

var words = grpc.ServiceDesc{
	ServiceName: "interop.v1.Words",
	Methods:     []grpc.MethodDesc{{MethodName: "Say", Handler: answerSay}},
	Streams:     []grpc.StreamDesc{{StreamName: "Echo", Handler: answerEcho, ClientStreams: true, ServerStreams: true}},
}

func answerSay(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	word := new(wrapperspb.StringValue)
	if err := decode(word); err != nil {
		return nil, err
	}
	caller, ok := grpccredentials.PeerIDFromContext(ctx)
	if !ok {
		return nil, errors.New("no caller")
	}
	return wrapperspb.String(caller.String()), nil
}

func answerEcho(_ any, stream grpc.ServerStream) error {
	for {
		word := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(word); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(word); err != nil {
			return err
		}
	}
}
