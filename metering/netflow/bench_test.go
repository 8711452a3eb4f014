package netflow_test

import (
	"bytes"
	"slices"
	"testing"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/export"
	"github.com/ezscale/platform/metering/netflow/template"
)

// benchInputs are datagrams of 30 records, as routers send them, each behind what must be known before.
func benchInputs(b *testing.B, run func(b *testing.B, before, datagram []byte)) {
	records := slices.Repeat([]netflow.Record{web()}, 30)
	five := build(head(netflow.Version5), func(e *export.Encoder) { e.Records(template.Template{}, records) })
	b.Run("v5", func(b *testing.B) { run(b, five, five) })
	for name, version := range map[string]uint16{"v9": netflow.Version9, "ipfix": netflow.IPFIX} {
		tpl := export.IPv4(256)
		if version == netflow.IPFIX {
			tpl = export.IPFIXv4(256)
		}
		before := build(head(version), func(e *export.Encoder) {
			e.Template(tpl)
			e.Template(export.Rate(version, 400))
			e.Values(export.Rate(version, 400), 0, 1000, 1)
		})
		datagram := build(head(version), func(e *export.Encoder) { e.Records(tpl, records) })
		b.Run(name, func(b *testing.B) { run(b, before, datagram) })
	}
}

func BenchmarkDecode(b *testing.B) {
	benchInputs(b, func(b *testing.B, before, datagram []byte) {
		d, from := netflow.New(), source()
		decode(b, d, before)
		b.ReportAllocs()
		b.SetBytes(int64(len(datagram)))
		for b.Loop() {
			if got, err := d.Decode(from, received, datagram); err != nil || len(got.Records) != 30 {
				b.Fatal("not decoded")
			}
		}
		b.ReportMetric(30*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// BenchmarkPeerGoflow2 is goflow2's decoder used by itself, which leaves every field as bytes.
func BenchmarkPeerGoflow2(b *testing.B) {
	benchInputs(b, func(b *testing.B, before, datagram []byte) {
		if datagram[1] == netflow.Version5 {
			b.Skip("its version 5 decoder gives numbers: nothing to compare")
		}
		templates := goflow2.CreateTemplateSystem()
		read := func(datagram []byte) {
			var nine goflow2.NFv9Packet
			var ten goflow2.IPFIXPacket
			if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(datagram), templates, &nine, &ten); err != nil {
				b.Fatal(err)
			}
		}
		read(before)
		b.ReportAllocs()
		for b.Loop() {
			read(datagram)
		}
		b.ReportMetric(30*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

func BenchmarkState(b *testing.B) {
	d := everything(b)
	var state []byte
	b.ReportAllocs()
	for b.Loop() {
		state = d.AppendState(state[:0])
		if _, err := netflow.ReadState(state); err != nil {
			b.Fatal(err)
		}
	}
}
