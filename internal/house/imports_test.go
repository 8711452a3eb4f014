package house_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ezscale/platform/"

// rule says what one place in the tree may import of ours, and which outside modules it must not.
// A place is a path prefix; the longest that fits a package holds for it.
type rule struct {
	place string
	may   []string // path prefixes of our packages, "..." at the end for everything below
	never []string // import path prefixes, outside or ours
}

var (
	pure = []string{"internal/money", "internal/prefix", "internal/fault", "internal/period", "internal/bytesize", "internal/name", "internal/billable", "internal/secret", "internal/background", "internal/permission"}
	edge = []string{"net/http", "github.com/gin-gonic/gin", "github.com/danielgtaylor/huma"}
	// outside is what a leaf of identity must not reach for: it decides about what it is given.
	outside = append([]string{"github.com/jackc/pgx", "github.com/ClickHouse/", "github.com/segmentio/kafka-go"}, edge...)
	driver  = []string{"github.com/segmentio/kafka-go", "github.com/ClickHouse/", "net/http", "github.com/gin-gonic/gin"}
)

func table() []rule {
	return []rule{
		{place: "internal/money", may: pure}, {place: "internal/prefix", may: pure}, {place: "internal/fault", may: pure},
		{place: "internal/period", may: pure}, {place: "internal/bytesize", may: pure}, {place: "internal/name", may: pure},
		{place: "internal/billable", may: pure}, {place: "internal/permission"},
		{place: "internal/secret"}, // a type and nothing else: whoever may handle input may handle what must not be seen of it
		{place: "internal/secret/keyring", may: []string{"internal/secret"}, never: outside},
		{place: "internal/secret/vault", may: []string{"internal/secret", "internal/secret/keyring", "internal/fault", "internal/background"}, never: driver},
		{place: "internal/otp", may: []string{"internal/secret"}, never: outside},
		{place: "internal/passkey", never: outside},
		{place: "internal/password", may: []string{"internal/secret", "internal/fault"}, never: outside},
		{place: "internal/token", may: []string{"internal/secret"}, never: outside},
		{place: "internal/limiter", may: []string{"internal/fault"}, never: edge},
		{place: "internal/ephemeral", may: []string{"internal/secret", "internal/fault"}, never: edge},
		{place: "internal/house"}, {place: "internal/background"},
		{place: "internal/postgres", may: []string{"internal/postgres...", "schemas/postgres"}},
		{place: "internal/clickhouse", may: []string{"internal/clickhouse...", "schemas/clickhouse"}},
		{place: "internal/kafka", may: []string{"internal/kafka...", "internal/fault"}},
		{place: "internal/elasticsearch"},
		{place: "internal/jobs", may: []string{"internal/postgres", "internal/fault"}},
		{place: "internal/observe"}, {place: "internal/config", may: []string{"internal/secret"}},
		{place: "internal/clock", may: []string{"internal/fault"}},
		{place: "internal/embedded", may: []string{"internal/embedded..."}},
		{place: "internal/consumer", may: []string{"internal/background", "internal/kafka", "internal/postgres", "internal/fault", "schemas/events"}},
		{place: "internal/devmail", may: []string{"internal/fault"}},
		{place: "internal/client", may: []string{"internal/background", "internal/fault", "internal/money", "internal/bytesize"}},
		{place: "internal/manifest", may: append([]string{"internal/client", "internal/manifest/faults"}, pure...)},
		{place: "internal/manifest/faults"},
		{place: "internal/gateway", may: []string{"internal/money", "internal/fault", "internal/bytesize"}, never: []string{"github.com/jackc/pgx"}},
		{place: "internal/gateway/cloudflare", may: []string{"internal/fault", "internal/background"}, never: []string{"github.com/jackc/pgx", "github.com/gin-gonic/gin", "github.com/danielgtaylor/huma"}},
		{place: "internal/gateway/transit", may: []string{"internal/secret", "internal/secret/keyring"}, never: []string{"github.com/jackc/pgx", "github.com/gin-gonic/gin", "github.com/danielgtaylor/huma"}},
		{place: "schemas"}, {place: "schemas/events", may: []string{"internal/money"}},
		{place: "command", may: append([]string{"command", "command/internal...", "command/outbox", "schemas/events", "internal/postgres"}, pure...), never: driver},
		{place: "command/outbox", may: append([]string{"command", "schemas/events", "internal/kafka", "internal/postgres"}, pure...), never: edge},
		{place: "command/secrets", may: append([]string{"command", "internal/secret/keyring", "internal/secret/vault", "schemas/events"}, pure...), never: driver},
		{place: "command/policy", may: append([]string{"command...", "query...", "internal/gateway...", "internal/jobs", "internal/secret/vault", "internal/token",
			"internal/kafka", "internal/consumer", "schemas/events"}, pure...), never: []string{"github.com/gin-gonic/gin"}},
		{place: "query", may: append([]string{"query", "internal/postgres", "internal/clickhouse"}, pure...), never: append([]string{"github.com/segmentio/kafka-go"}, edge...)},
		{place: "projections", may: []string{"projections", "schemas/events", "internal/clickhouse", "internal/consumer", "internal/kafka", "internal/postgres", "internal/fault"}, never: edge},
		{place: "metering", may: append([]string{"metering...", "schemas/events", "internal/kafka", "internal/embedded/flock"}, pure...), never: append([]string{"github.com/jackc/pgx", "github.com/ClickHouse/"}, edge...)},
		{place: "metering/netflow", may: []string{"metering/netflow..."}, never: append([]string{"github.com/jackc/pgx", "github.com/ClickHouse/"}, driver...)},
		{place: "metering/sflow", may: []string{"metering/sflow/packet"}, never: append([]string{"github.com/jackc/pgx"}, driver...)},
		{place: "metering/sflow/packet"},
		{place: "metering/meter", may: append([]string{"metering/meter...", "metering/sflow", "metering/netflow", "metering/envelope", "schemas/events", "internal/kafka", "internal/consumer",
			"internal/postgres", "command/outbox"}, pure...), never: append([]string{"github.com/ClickHouse/"}, edge...)},
		{place: "metering/replay/document", may: []string{"metering/envelope"}, never: append([]string{"github.com/jackc/pgx", "github.com/elastic/"}, driver...)},
		{place: "metering/replay/scale", may: []string{"metering/replay/document"}, never: append([]string{"github.com/jackc/pgx", "github.com/elastic/"}, driver...)},
		{place: "metering/replay/journal", may: []string{"metering/envelope"}, never: append([]string{"github.com/elastic/"}, driver...)},
		{place: "metering/replay/sender", may: []string{"metering/replay/journal", "schemas/events", "internal/kafka"},
			never: append([]string{"github.com/jackc/pgx", "github.com/elastic/"}, driver...)},
		{place: "metering/replay/elastiflow", may: []string{"metering/replay/document", "metering/replay/scale", "metering/replay/journal", "metering/replay/sender", "metering/envelope",
			"metering/collector/sources", "schemas/events", "internal/elasticsearch", "internal/background"},
			never: append([]string{"github.com/jackc/pgx", "github.com/elastic/", "github.com/ClickHouse/", "github.com/segmentio/kafka-go"}, edge...)},
		{place: "api", may: append([]string{"api...", "command...", "query...", "web", "internal/clock", "internal/observe", "internal/devmail", "internal/jobs", "internal/token", "internal/otp", "internal/password", "internal/passkey", "internal/limiter", "internal/ephemeral",
			"internal/secret/keyring", "internal/secret/vault", "schemas/events"}, pure...),
			never: []string{"github.com/segmentio/kafka-go", "github.com/ClickHouse/", "internal/gateway"}},
		{place: "web"},
		{place: "cmd/ezscale", may: []string{"..."}},
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportTable(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		if isTestHelper(from) {
			continue
		}
		r, ok := ruleFor(table(), from)
		if !ok {
			t.Errorf("%s has no row in the import table", from)
			continue
		}
		for _, imported := range p.Imports {
			if why := r.refuses(from, imported); why != "" {
				t.Errorf("%s must not import %s: %s", from, imported, why)
			}
		}
	}
}

// A row for a place that is gone would let in whatever takes its name.
func TestRowsNamePlaces(t *testing.T) {
	t.Parallel()
	all := packages(t)
	exists := func(place string) bool {
		return slices.ContainsFunc(all, func(p listed) bool { return strings.HasPrefix(p.ImportPath+"/", module+place+"/") })
	}
	for _, r := range table() {
		for _, place := range append([]string{r.place}, r.may...) {
			if place = strings.TrimSuffix(place, "..."); place != "" && !exists(place) {
				t.Errorf("the row of %s names %s, which is not there", r.place, place)
			}
		}
	}
}

// isTestHelper tells packages that only tests import: they may reach for real servers.
func isTestHelper(place string) bool { return strings.HasSuffix(path.Base(place), "test") }

func ruleFor(rules []rule, place string) (rule, bool) {
	var best rule
	found := false
	for _, r := range rules {
		if (place == r.place || strings.HasPrefix(place, r.place+"/")) && (!found || len(r.place) > len(best.place)) {
			best, found = r, true
		}
	}
	return best, found
}

func (r rule) refuses(from, imported string) string {
	ours, isOurs := strings.CutPrefix(imported, module)
	for _, prefix := range r.never {
		if strings.HasPrefix(imported, prefix) || isOurs && strings.HasPrefix(ours, prefix) {
			return "its row says never " + prefix
		}
	}
	if !isOurs || ours == from {
		return ""
	}
	if isTestHelper(ours) {
		return "it is for tests"
	}
	for _, may := range r.may {
		below, tree := strings.CutSuffix(may, "...")
		if ours == may || tree && strings.HasPrefix(ours+"/", below) {
			return ""
		}
	}
	return "its row does not name it"
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct{ from, imported, want string }{
		{"command/billing", module + "command", ""},
		{"command/billing", module + "command/catalog", "its row does not name it"},
		{"command/billing", module + "internal/money", ""},
		{"command/billing", "net/http", "its row says never net/http"},
		{"command/policy", module + "command/billing", ""},
		{"metering/sflow", "github.com/jackc/pgx/v5", "its row says never github.com/jackc/pgx"},
		{"metering/meter", "github.com/jackc/pgx/v5", ""},
		{"api", module + "internal/gateway/mail", "its row says never internal/gateway"},
		{"cmd/ezscale", module + "internal/postgres/postgrestest", "it is for tests"},
	}
	for _, c := range cases {
		r, ok := ruleFor(table(), c.from)
		if got := r.refuses(c.from, c.imported); !ok || got != c.want {
			t.Errorf("%s -> %s: got %q, want %q", c.from, c.imported, got, c.want)
		}
	}
}
