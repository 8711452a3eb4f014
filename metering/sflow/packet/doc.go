// Package packet finds the way through the first bytes of a sampled frame: behind Ethernet's tags, IPv6's extension
// headers and, where the operator asks for it, into tunnels. It reads in place, allocates nothing, and compares every
// offset with the bytes there are: what is cut is told apart from what is not there.
//
// Tunnels. Where a provider's own network carries its customers' packets in tunnels, the addresses on the outside are the
// network's, and a bill goes by those inside. [Follow] goes in, at most once each into VXLAN, GRE and MPLS, in any order,
// and says where the inner packet starts and how many bytes of the frame are tunnel:
//
//   - When a tunnel carries Ethernet (VXLAN, NVGRE and other GRE of type 0x6558, MPLS with a control word), all before the
//     inner frame is tunnel, and the inner frame is billed with its own link header.
//   - When it carries IP (GRE, MPLS), the tunnel's own headers are: outer IP and GRE, or the labels. The outer link header
//     stands in for the one that the inner packet would have without the tunnel.
//
// A tunnel that cannot be followed to an IP header hides its outside all the same: a place without a type. So do a header
// that is cut before it shows whether it is a tunnel, a later fragment of GRE, and GRE of an unknown type. What is no
// tunnel of a provider's stays as it is: UDP fragments without ports (tunnel ends do not fragment VXLAN, RFC 7348 section
// 4.3), VXLAN without the flag that its network is valid, PPTP, and GRE with source routes.
//
// MPLS does not say what it carries. As routers do, four first bits of 4 are taken for IPv4, 6 for IPv6 and 0 for a control
// word with Ethernet behind it; Ethernet without a control word has no address that could be trusted.
package packet
