//go:build tools

// Package spire pins the SPIRE server and agent that the suite builds and runs.
package spire

import (
	_ "github.com/spiffe/spire/cmd/spire-agent"
	_ "github.com/spiffe/spire/cmd/spire-server"
)
