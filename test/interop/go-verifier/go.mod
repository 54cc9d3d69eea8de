module fastify-spiffe.test/go-verifier

go 1.26.6

require github.com/spiffe/go-spiffe/v2 v2.8.1
