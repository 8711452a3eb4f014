package sflow

import (
	"bytes"
	"testing"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/sflow"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
)

// benchInputs are a switch's usual datagram, built here, and a live one of the captures where there is one.
func benchInputs(b *testing.B, run func(b *testing.B, datagram []byte)) {
	b.Run("seven", func(b *testing.B) { run(b, sevenFlows()) })
	b.Run("live", func(b *testing.B) { run(b, capture(b, "gopacket/SFlowTestPacket1.bin")[0]) })
}

func report(b *testing.B, samples int) {
	b.ReportMetric(float64(samples)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

func BenchmarkDecode(b *testing.B) {
	benchInputs(b, func(b *testing.B, datagram []byte) {
		var d Decoder
		b.ReportAllocs()
		b.SetBytes(int64(len(datagram)))
		for b.Loop() {
			if d.Decode(datagram) != nil {
				b.Fatal("not decoded")
			}
		}
		report(b, len(d.Flows))
	})
}

// BenchmarkDecodeGoflow2 is what sflow.decoder: goflow2 costs: the same result by way of goflow2's decoder.
func BenchmarkDecodeGoflow2(b *testing.B) {
	benchInputs(b, func(b *testing.B, datagram []byte) {
		d := Decoder{reference: true}
		b.ReportAllocs()
		b.SetBytes(int64(len(datagram)))
		for b.Loop() {
			if d.Decode(datagram) != nil {
				b.Fatal("not decoded")
			}
		}
		report(b, len(d.Flows))
	})
}

// BenchmarkPeerGoflow2 is goflow2 as it is used by itself: its decoder, and its producer that finds the addresses.
func BenchmarkPeerGoflow2(b *testing.B) {
	benchInputs(b, func(b *testing.B, datagram []byte) {
		var p goflow2.Packet
		b.ReportAllocs()
		b.SetBytes(int64(len(datagram)))
		for b.Loop() {
			p = goflow2.Packet{}
			if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(datagram), &p); err != nil {
				b.Fatal(err)
			}
			if _, err := protoproducer.ProcessMessageSFlowConfig(&p, nil); err != nil {
				b.Fatal(err)
			}
		}
		report(b, int(p.SamplesCount))
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
	report(b, 7)
}
