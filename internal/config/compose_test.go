package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/config"
)

// The roles of docker-compose.yml are given every setting that there is, but those whose defaults are right in a container,
// and what is empty unless somebody sets it is let through by its own name.
func TestComposePassesTheSettingsOn(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^    (EZSCALE_\w+): (.+)$`).FindAllStringSubmatch(string(text), -1) {
		passed[line[1]] = line[2]
	}
	left := []string{"EZSCALE_MODE", "EZSCALE_LOG_LEVEL", "EZSCALE_LOG_FORMAT", "EZSCALE_POSTGRES_QUERY", "EZSCALE_KAFKA_REPLICATION", "EZSCALE_SFLOW", "EZSCALE_NETFLOW", "EZSCALE_SFLOW_SOCKETS",
		"EZSCALE_SFLOW_BUFFER", "EZSCALE_RAW_RETENTION", "EZSCALE_SFLOW_DECODER", "EZSCALE_METER_FLUSH", "EZSCALE_SMTP_INSECURE", "EZSCALE_SWEEP", "EZSCALE_AUDIT_KEY", "EZSCALE_BREACHED_PASSWORDS"}
	for _, s := range config.Describe() {
		value, ok := passed[s.Name]
		if ok == slices.Contains(left, s.Name) {
			t.Errorf("%s: passed on is %v", s.Name, ok)
		}
		if strings.HasPrefix(s.Name, "EZSCALE_VAULT_") && value != "${"+s.Name+":-}" {
			t.Errorf("%s: %s", s.Name, value)
		}
		delete(passed, s.Name)
	}
	delete(passed, "EZSCALE_SECRET_KEY_TEXT") // is named by EZSCALE_SECRET_KEY
	for name := range passed {
		t.Errorf("%s is no setting", name)
	}
}
