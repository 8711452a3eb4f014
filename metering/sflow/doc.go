// Package sflow reads sFlow version 5 datagrams for a billing meter.
//
// The decoder walks the datagram in place: it keeps offsets, copies out only the fields that a meter needs and allocates
// nothing once its two slices have grown to the size of the traffic (at most five bytes per byte of the datagram), except
// a port's name where it has changed. Every count and length is compared with the bytes that remain before anything behind
// it is touched.
//
// What it promises:
//
//   - A datagram counts whole or not at all. One that ends before the samples it announces is refused with
//     [ErrTruncated], even when its first samples could be read: otherwise the same datagram could count half on one
//     path and whole on another. Bytes after the last sample are left alone and shown as [Datagram.Trailing].
//   - A sample whose own length is sound costs only itself. When something inside it is wrong it is left out, and
//     counted under its [Code] in [Datagram.Rejects].
//   - What is not known (other enterprises, newer formats) is skipped by its length and counted.
//   - XDR rounds every opaque up to four bytes, and so does the walk from sample to sample and record to record. The
//     last sample of a datagram and the last record of a sample may lack that padding, as some agents send them.
//
// Lengths. FrameLength is the sampled frame's length as the agent states it (octets on the wire including the frame check
// sequence, for most agents) and IPLength is the length of the IP packet in it: the IPv4 total length, or the IPv6 payload
// length plus 40. IPLength never exceeds what the frame can hold: where the header says 0 (segmentation offload, jumbo
// payload), less than its own header, or more than the frame has left after its link header, the IP length is the frame
// length less the link header. A frame length of 0, one larger than an IP packet of 64 KiB can need, or one too short for
// the IP header seen in the frame refuses the sample.
//
// Tunnels. With [Decoder.Inside] set, addresses, protocol and IPLength of a frame in a tunnel are those of the inner packet,
// and FrameLength is the sampled frame's less what is tunnel (see the rules of [packet.Follow]): the underlay is not billed,
// and the check sequence stays in where the agent counts it. A header that ends before the inner addresses gives HasIP
// false, never the underlay's addresses; nor do sampled_ipv4 and sampled_ipv6, which tell the outside. A frame length that
// ends inside the tunnel's headers refuses the sample.
//
// Where a sample has no raw packet header with IP inside, sampled_ipv4 or sampled_ipv6 give addresses and IPLength; without
// any raw header FrameLength is the one of sampled_ethernet, or IPLength when the agent sends neither.
//
// Counter samples. A bill may rest on the generic interface counters, so a record of theirs that is too short refuses the
// sample. The counters of Ethernet and a port's name only explain: they are passed over when they cannot be read.
//
// Sources: sflow.org, "sFlow Version 5" (July 2004) with its structures, "sFlow Dropped Packet Notification Structures" and
// "sFlow OpenFlow Structures" (port_name).
//
// The same result can be had from goflow2's decoder (see [New]), behind the same bounds check, as a second opinion.
package sflow
