package terminal

import "strings"

// ShellWord quotes a path that a shell would take apart.
func ShellWord(path string) string {
	if !strings.ContainsAny(path, " \t\n'\"\\$&*?()[]{}<>|;#`!~") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
