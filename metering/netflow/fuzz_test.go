package netflow_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/export"
	"github.com/ezscale/platform/metering/netflow/template"
)

// seeds are datagrams built here and those of the captures, where there are any.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	all := [][]byte{
		build(head(netflow.Version5), func(e *export.Encoder) { e.Records(template.Template{}, []netflow.Record{web()}) }),
		options(netflow.Version9, 7, export.Sampler(netflow.Version9, 400), 0, 5, 1000), dataAlone(netflow.Version9, 1), templateAlone(netflow.IPFIX),
	}
	for _, c := range hostile() {
		all = append(all, c.b)
	}
	for _, dir := range []string{"logstash-codec-netflow", "telegraf"} {
		_ = filepath.WalkDir(filepath.Join(capturesDir(t), dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".dat") && !strings.HasSuffix(path, ".bin") {
				return nil // without captures the built ones must do
			}
			if b, err := os.ReadFile(path); err == nil {
				all = append(all, b)
			}
			return nil
		})
	}
	return all
}

// FuzzDecode holds that no two datagrams make a decoder panic, give what cannot be, or allocate out of proportion, and
// that its memory can be stored and read after them.
func FuzzDecode(f *testing.F) {
	all := seeds(f)
	for i, b := range all {
		f.Add(b, all[(i+1)%len(all)])
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d := netflow.New()
		for i, b := range [][]byte{first, second, first} {
			got, err := d.Decode(source(), received+int64(i), b)
			if (err == nil) == (got == nil) {
				t.Fatalf("%v beside %v", err, got)
			}
			if err != nil {
				continue
			}
			checkResult(t, got)
			most := 2 * int(unsafe.Sizeof(netflow.Record{})) * min(2*len(first)+len(second), netflow.MaxRecords+netflow.MaxRecovered)
			if n := outputBytes(got); n > 64<<10+most {
				t.Fatalf("%d bytes of result for datagrams of %d and %d", n, len(first), len(second))
			}
		}
		checkState(t, d)
	})
}

func checkState(t testing.TB, d *netflow.Decoder) {
	t.Helper()
	state := d.AppendState(nil)
	again, err := netflow.ReadState(state)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.AppendState(nil), state) {
		t.Fatal("a state that was read is stored otherwise")
	}
}

// FuzzState holds that no bytes make ReadState panic, and that what it takes is what AppendState writes.
func FuzzState(f *testing.F) {
	f.Add(netflow.New().AppendState(nil), dataAlone(netflow.Version9, 1))
	f.Add(everything(f).AppendState(nil), dataAlone(netflow.Version9, 1))
	f.Fuzz(func(t *testing.T, state, b []byte) {
		d, err := netflow.ReadState(state)
		if err != nil || len(state) == 0 {
			return
		}
		if !bytes.Equal(d.AppendState(nil), state) {
			t.Fatal("a state that was read is stored otherwise")
		}
		twin, err := netflow.ReadState(state)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Decode(source(), received, b)
		same, errSame := twin.Decode(source(), received, b)
		if diff := cmp.Diff(got, same, addresses(), cmpopts.EquateEmpty()); diff != "" || err != errSame {
			t.Fatalf("%v, %v\n%s", err, errSame, diff)
		}
		checkState(t, d)
	})
}
