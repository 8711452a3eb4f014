// Package simulate is a switch that does not exist: agents with ports and services send sFlow version 5 as a real one
// would, and the truth about every service is known to the byte.
//
// It exists so that anyone can check the meter: the demonstration, the end-to-end tests and the benchmarks all run on it.
// So it promises two things.
//
//   - The same scenario and seed give the same datagrams, byte for byte, on any machine: traffic, sampling and network
//     have random streams of their own and all arithmetic on them is in whole numbers. A change of the loss does not
//     change what is sent, only what arrives.
//   - [Truth] says what a meter must show: what is in the samples of the datagrams that arrived, each counted once, and how
//     many datagrams did not. Whatever a meter cannot see is kept out of the loss: the first datagrams after a start and
//     the last before a restart and at the end always arrive, in order.
//
// Time is virtual and goes in ticks. In each tick every flow (a service in one direction) sends whole packets of a few
// sizes; its port of entry samples them by a random skip with the configured mean, as switches do, and counts all of them
// in its interface counters, so that the estimate can be held against the real octets. Peers of a service are addresses of
// no service. Samples are gathered into datagrams per sub-agent until the next would not fit, or the flush interval is over.
//
// [Simulation] makes datagrams and knows no sockets or clocks. [Player] sends them by UDP, each agent from its own local
// address, at the speed of the clock, faster, or as fast as it can.
package simulate
