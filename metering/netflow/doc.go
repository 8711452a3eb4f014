// Package netflow reads NetFlow version 5, version 9 and IPFIX for a billing meter. It has no network, clock or database.
//
// goflow2 decodes; this package decides what goflow2 may see, remembers what goflow2 forgets, and says what a record means:
//
//	header → sets, by their lengths → a template's fields, or one record at a time → goflow2 → Record
//
// What it promises:
//
//   - A bad header costs the datagram, a bad set only itself. Sets are walked by their lengths; v9's count of records is
//     not believed. A set whose own length is wrong ends the walk, because nothing tells where the next one starts.
//   - goflow2 is handed one template of at most [MaxFields] fields, or one record whose length has been checked, so what
//     it allocates at a time is bounded whatever a count in the datagram says. A template whose records would have no
//     length is refused: its data would never end.
//   - Templates and samplers belong to (source address, version, observation domain or source id), never to a UDP port.
//     What is full makes room by forgetting what was used longest ago; see the bounds in domain.go.
//   - An exporter's restart clears nothing: it sends its templates anew, and until then most give the same ids.
//   - Data that comes before its template waits for it: see [Datagram.Recovered]. A set is decoded once: at once, or later.
//   - All memory of an exporter can be written and read back: a decoder that was read gives the same answers.
//
// Which counter is the bytes of a record. The first of these that the template has, with the packets beside it; a record
// never counts by two of them, and one that has none is counted in [Datagram.NoOctets]:
//
//	octetDeltaCount 1, packetDeltaCount 2
//	initiatorOctets 231 and responderOctets 232 (298, 299), as Cisco's ASA sends them: two records, one each way
//	octetTotalCount 85, packetTotalCount 86: probes such as YAF report a flow once, with its total. An exporter that
//	    repeats a running total for one flow would be counted more than once; it must be set to send deltas
//	postOctetDeltaCount 23, postPacketDeltaCount 24 (OUT_BYTES). Beside 1 they are left alone: on routers the same packets
//	    on their way out, on nProbe and FortiGate the other direction. These must be set to export one direction a record
//	layer2OctetDeltaCount 352 alone: Bytes is 0 then, and L2Bytes set. Beside any of the above it is given too
//
// Reverse elements (RFC 5103, enterprise 29305) and 232 make a second record with addresses and interfaces swapped, when
// they are not 0. Its direction is unknown. Bytes are as the exporter counted: multiplying by the rate is the meter's part.
//
// Where the rate comes from, first to last: the record's own fields; the option record of the record's sampler (48, 302);
// option records about the record's template or input interface; those about the whole domain, when they agree; version 5's
// header; and options of the source's other domains, when all the samplers of that source have one rate (some devices send
// them under another source id). A sampler id that no option explains falls through to the next. A rate that none of
// these tells is unknown, not 1: [Record.RateKnown].
//
// Rates: 34 and 50 as they are; (305+306)/305, which is 1 when the space between the packets is 0; 310/309; 1/311. An interval
// 305 alone is a rate only when it is 1: without 306 nobody says whether it is the packets taken or those passed over.
// Fractions are rounded to the nearest. Version 5 has 14 bits for the interval, below two of mode; an exporter that leaves
// the mode 0 samples all the same. Rates above 16,383 spill into the mode: such an exporter needs the operator's rate.
//
// Times are ages before the datagram's export time, so that an exporter's wrong clock does no harm: the meter anchors them
// at the time of receipt. An end before the start is a moment, at the end. A time after the export is the export time.
//
// Sources: Cisco, "NetFlow Export Datagram Format" (version 5); RFC 3954 (version 9); RFC 7011 and 7012 (IPFIX); RFC 5103
// (biflows); RFC 5477 (sampling); IANA, "IP Flow Information Export (IPFIX) Entities".
package netflow
