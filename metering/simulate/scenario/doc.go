// Package scenario says what a simulated switch plays: agents with ports and services, their traffic, what the network
// does to their datagrams and what happens when. A scenario is a YAML file that forgives no unknown field, the built-in
// demonstration, or as many alike services as a benchmark wants.
//
// A scenario is data and nothing happens here. It is checked as a whole and every fault in it is told at once. Addresses
// belong to one service, to the background or to the peers outside, never to two, so that the truth about a byte is never
// in doubt. The same file gives the manifest that makes a platform know all of it.
package scenario
