package manifest

import (
	"fmt"
	"net/http"
	"net/url"
)

func (p Port) key() portKey { return portKey{p.Exporter, p.IfIndex} }

// name is how a port is told; empty when the file does not tell it.
func (p Port) name() string {
	if p.Exporter == "" || p.IfIndex < 1 {
		return ""
	}
	return p.key().String()
}

func (k portKey) String() string { return fmt.Sprintf("%s %d", k.exporter, k.ifIndex) }

func (k portKey) body() object { return object{"exporter": k.exporter, "if_index": k.ifIndex} }

// ports finds who must get and who must lose which port.
func (d *differ) ports() {
	wanted := map[portKey]bool{}
	speaks := map[string]bool{} // services whose ports the file names
	for _, s := range d.file.Services {
		speaks[s.Name] = s.Ports != nil
		for _, p := range s.Ports {
			wanted[p.key()] = true
		}
	}
	holders := d.state.portHolders()
	for _, s := range d.file.Services {
		for _, p := range s.Ports {
			d.takePort(s, p, holders, speaks)
		}
		d.givePorts(s, wanted)
	}
}

// takePort binds or moves to a service a port that it lacks.
func (d *differ) takePort(s Service, p Port, holders map[portKey]string, speaks map[string]bool) {
	key := p.key()
	was, held := holders[key]
	step := Step{What: "port " + key.String(), Path: p.Path, method: http.MethodPost, from: []int64{d.state.Services[s.Name].Version}}
	switch {
	case held && was == s.Name:
		return
	case held && !speaks[was]:
		d.refuse(p.Path, "port %d of %s is bound to service %s, whose ports are not in the file", p.IfIndex, p.Exporter, was)
		return
	case held:
		body := key.body()
		body["from_service"], body["to_service"] = was, s.Name
		step.stage, step.url, step.body, step.Changes = stageMoves, "/port-moves", body, []string{"service: " + was + " → " + s.Name}
		step.from = append(step.from, d.state.Services[was].Version)
	default:
		step.stage, step.url, step.body = stageAssignments, "/services/"+url.PathEscape(s.Name)+"/ports", key.body()
		step.Changes = []string{"service: none → " + s.Name}
	}
	d.steps = append(d.steps, step)
}

// givePorts releases the ports that a service has and no service of the file wants.
func (d *differ) givePorts(s Service, wanted map[portKey]bool) {
	old, exists := d.state.Services[s.Name]
	if !exists || s.Ports == nil {
		return
	}
	for _, p := range old.Ports {
		key := portKey{p.Exporter, p.IfIndex}
		if wanted[key] || p.To != nil { // what ends by itself needs no command
			continue
		}
		d.steps = append(d.steps, Step{What: "port " + key.String(), Path: s.Path + ".ports", stage: stageReleases, method: http.MethodPost,
			Changes: []string{"service: " + s.Name + " → none"}, from: []int64{old.Version},
			url: "/services/" + url.PathEscape(s.Name) + "/ports/release", body: key.body()})
	}
}
