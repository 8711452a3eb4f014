// Package sflow reads sFlow version 5 datagrams for a billing meter.
//
// The decoder walks the datagram in place: it keeps offsets, copies out only the fields that a meter needs and allocates
// nothing once its two slices have grown to the size of the traffic (at most four bytes per byte of the datagram).
// Every count and length is compared with the bytes that remain before anything behind it is touched.
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
// Where a sample has no raw packet header with IP inside, sampled_ipv4 or sampled_ipv6 give addresses and IPLength; without
// any raw header FrameLength is the one of sampled_ethernet, or IPLength when the agent sends neither.
// Sources: sflow.org, "sFlow Version 5" (July 2004) with its structures, and "sFlow Dropped Packet Notification Structures".
//
// The same result can be had from goflow2's decoder (see [New]), behind the same bounds check, as a second opinion.
package sflow
