package apachekafka

import (
	_ "embed"

	"github.com/ezscale/platform/internal/embedded/maven"
)

//go:embed files/pom.xml
var pom string

//go:embed files/jars.sum
var sums string

//go:embed files/log4j2.properties
var logSettings string

func (s *Server) jars() maven.Jars {
	return maven.Jars{Name: "apache-kafka", Version: Version, Pom: pom, Sums: sums, Size: "43 MB", Cache: s.cfg.Cache, Log: s.cfg.Log}
}
