package sflow

import (
	"bytes"
	"testing"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/sflow"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
)

// benchInputs are a switch's usual datagram, built here, a live one of the captures where there is one, and all of the
// captures one after the other.
func benchInputs(b *testing.B, run func(b *testing.B, all [][]byte)) {
	b.Run("seven", func(b *testing.B) { run(b, [][]byte{sevenFlows()}) })
	b.Run("live", func(b *testing.B) { run(b, capture(b, "gopacket/SFlowTestPacket1.bin")) })
	b.Run("captures", func(b *testing.B) { run(b, sound(b)) })
}

// report tells the speed of one core: a benchmark decodes on one goroutine.
func report(b *testing.B, all [][]byte) {
	samples, size := 0, 0
	for _, datagram := range all {
		d := decode(b, datagram)
		samples, size = samples+int(d.SampleCount), size+len(datagram)
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(samples)*float64(b.N)/b.Elapsed().Seconds(), "samples/s/core")
}

func benchDecode(b *testing.B, d *Decoder, all [][]byte) {
	b.ReportAllocs()
	for b.Loop() {
		for _, datagram := range all {
			if d.Decode(datagram) != nil {
				b.Fatal("not decoded")
			}
		}
	}
	report(b, all)
}

func BenchmarkDecode(b *testing.B) {
	benchInputs(b, func(b *testing.B, all [][]byte) { benchDecode(b, &Decoder{}, all) })
}

// BenchmarkDecodeInside looks for tunnels in datagrams that have none, and into VXLAN.
func BenchmarkDecodeInside(b *testing.B) {
	benchInputs(b, func(b *testing.B, all [][]byte) { benchDecode(b, &Decoder{Inside: everyTunnel}, all) })
	b.Run("vxlan", func(b *testing.B) { benchDecode(b, &Decoder{Inside: VXLAN}, [][]byte{sevenTunnels()}) })
}

// BenchmarkDecodeGoflow2 is what sflow.decoder: goflow2 costs: the same result by way of goflow2's decoder.
func BenchmarkDecodeGoflow2(b *testing.B) {
	benchInputs(b, func(b *testing.B, all [][]byte) { benchDecode(b, &Decoder{reference: true}, all) })
}

// BenchmarkPeerGoflow2 is goflow2 as it is used by itself: its decoder, and its producer that finds the addresses.
func BenchmarkPeerGoflow2(b *testing.B) {
	benchInputs(b, func(b *testing.B, all [][]byte) {
		var p goflow2.Packet
		b.ReportAllocs()
		for b.Loop() {
			for _, datagram := range all {
				p = goflow2.Packet{}
				if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(datagram), &p); err != nil {
					b.Fatal(err)
				}
				if _, err := protoproducer.ProcessMessageSFlowConfig(&p, nil); err != nil {
					b.Fatal(err)
				}
			}
		}
		report(b, all)
	})
}

func BenchmarkEncode(b *testing.B) {
	var e Encoder
	frame := frameIPv4()
	h, s := frame.AppendHeader(nil), sample(1)
	b.ReportAllocs()
	for b.Loop() {
		e.Start(header(agent4()))
		for range 7 {
			e.Flow(&s, false)
			e.RawHeader(headerEthernet, 1018, 4, h)
		}
		e.Finish()
	}
	b.ReportMetric(7*float64(b.N)/b.Elapsed().Seconds(), "samples/s/core")
}
