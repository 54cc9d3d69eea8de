//go:build tools

// Package tools names the program that this module exists to build, at the versions of go.mod.
package tools

import _ "github.com/ghostunnel/ghostunnel"
