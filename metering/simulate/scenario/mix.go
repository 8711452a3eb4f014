package scenario

// PacketSize is one packet length of a mix: the IPv4 total length, and its share of the packets.
type PacketSize struct {
	Length uint16
	Share  int64
}

// Sizes gives the packet sizes into a service and out of it; nothing for a mix that does not exist.
func (t *Traffic) Sizes() (in, out []PacketSize) {
	imix := []PacketSize{{40, 7}, {576, 4}, {1500, 1}}
	switch t.Mix {
	case "imix":
		return imix, imix
	case "web":
		return []PacketSize{{52, 12}, {420, 4}, {1500, 1}}, []PacketSize{{1500, 14}, {640, 2}, {52, 4}}
	case "bulk":
		return []PacketSize{{52, 9}, {1500, 1}}, []PacketSize{{1500, 24}, {52, 1}}
	case "game":
		return []PacketSize{{74, 6}, {110, 3}, {250, 1}}, []PacketSize{{96, 4}, {210, 4}, {520, 2}}
	}
	return nil, nil
}
