package clickhouse

import (
	"fmt"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"
)

// hello answers a client's first question in the client's own protocol version, and says with revision 0 that
// from then on blocks come without headers: the engine writes plain Native only.
func (f *front) hello(asked ask) (outcome, error) {
	version, err := strconv.Atoi(asked.protocol)
	if err != nil || version < 0 {
		return outcome{}, refuse(codeUnknownFunctionParameter, "bad client_protocol_version")
	}
	found, err := f.engine.query(statement{sql: "SELECT version()", format: "TabSeparatedRaw"})
	if err != nil {
		return outcome{}, err
	}
	release := string(found.data)
	for len(release) > 0 && release[len(release)-1] == '\n' {
		release = release[:len(release)-1]
	}
	var (
		name, number, zone proto.ColStr
		revision           = proto.ColUInt32{0}
		buffer             proto.Buffer
	)
	name.Append("ezscale embedded")
	number.Append(release)
	zone.Append("UTC")
	block := proto.Block{Columns: 4, Rows: 1}
	err = block.EncodeBlock(&buffer, version, []proto.InputColumn{
		{Name: "displayName()", Data: &name}, {Name: "version()", Data: &number},
		{Name: "revision()", Data: &revision}, {Name: "timezone()", Data: &zone},
	})
	if err != nil {
		return outcome{}, fmt.Errorf("encode the hello: %w", err)
	}
	return outcome{data: buffer.Buf}, nil
}
