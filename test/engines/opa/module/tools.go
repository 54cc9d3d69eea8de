//go:build tools

// Package opa pins the OPA with Envoy plugin that the suite builds and runs.
package opa

import _ "github.com/open-policy-agent/opa-envoy-plugin/cmd/opa-envoy-plugin"
