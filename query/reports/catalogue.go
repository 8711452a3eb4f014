package reports

// Description is what may be asked of a report, for those who do not ask in Go.
type Description struct {
	Name    string
	Title   string
	Filters []string
	States  []string // the usual one first
	Sorts   []string // the usual one first
}

// Catalogue describes every report.
func Catalogue() []Description {
	return []Description{
		TopServices().describe(), TopExporters().describe(), TopPorts().describe(), Unattributed().describe(),
		Reconciliation().describe(), PortHours().describe(), Rates().describe(), Ingest().describe(),
		Quarantine().describe(), QuarantineGroups().describe(), QuarantineDecisions().describe(),
		Bindings().describe(), Evidence().describe(), Corrections().describe(),
	}
}

func (r Report[T]) describe() Description {
	sorts := make([]string, len(r.Orders))
	for i, o := range r.Orders {
		sorts[i] = o.Name
	}
	return Description{Name: r.Name, Title: r.Title, Filters: r.Filters, States: r.States, Sorts: sorts}
}
