// Package tools is what people run against a platform: to tell it of their network, to ask it for numbers, to play a
// switch, and to look after it. Those for everybody speak to the API (client_flags.go finds it); those for operators
// speak to the servers themselves (operator.go).
package tools

import "fmt"

// ExitError ends the process with a code of its own, when everything has been said already.
type ExitError struct{ Code int }

func (e ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }
