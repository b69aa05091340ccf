package service

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Meta is the metadata of a resource. Only name, namespace, labels and
// annotations mean something here; the rest is read so that what an API server
// prints can be read back.
type Meta struct {
	Name                       string            `json:"name"`
	GenerateName               string            `json:"generateName,omitempty"`
	Namespace                  string            `json:"namespace,omitempty"`
	Labels                     map[string]string `json:"labels,omitempty"`
	Annotations                map[string]string `json:"annotations,omitempty"`
	UID                        string            `json:"uid,omitempty"`
	ResourceVersion            string            `json:"resourceVersion,omitempty"`
	Generation                 int64             `json:"generation,omitempty"`
	CreationTimestamp          string            `json:"creationTimestamp,omitempty"`
	DeletionTimestamp          string            `json:"deletionTimestamp,omitempty"`
	DeletionGracePeriodSeconds int64             `json:"deletionGracePeriodSeconds,omitempty"`
	SelfLink                   string            `json:"selfLink,omitempty"`
	Finalizers                 []string          `json:"finalizers,omitempty"`
	OwnerReferences            []any             `json:"ownerReferences,omitempty"`
	ManagedFields              []any             `json:"managedFields,omitempty"`
}

// Kube is a v1 Service.
type Kube struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Meta     `json:"metadata"`
	Spec       KubeSpec `json:"spec"`
	Status     Status   `json:"status,omitzero"`
}

// KubeSpec is v1 ServiceSpec.
type KubeSpec struct {
	Type                          string            `json:"type,omitempty"`
	Selector                      map[string]string `json:"selector,omitempty"`
	ClusterIP                     string            `json:"clusterIP,omitempty"`
	ClusterIPs                    []string          `json:"clusterIPs,omitempty"`
	ExternalIPs                   []netip.Addr      `json:"externalIPs,omitempty"`
	ExternalName                  string            `json:"externalName,omitempty"`
	Ports                         []KubePort        `json:"ports,omitempty"`
	SessionAffinity               string            `json:"sessionAffinity,omitempty"`
	SessionAffinityConfig         *AffinityConfig   `json:"sessionAffinityConfig,omitempty"`
	LoadBalancerIP                netip.Addr        `json:"loadBalancerIP,omitzero"`
	LoadBalancerClass             string            `json:"loadBalancerClass,omitempty"`
	LoadBalancerSourceRanges      []netip.Prefix    `json:"loadBalancerSourceRanges,omitempty"`
	AllocateLoadBalancerNodePorts *bool             `json:"allocateLoadBalancerNodePorts,omitempty"`
	ExternalTrafficPolicy         string            `json:"externalTrafficPolicy,omitempty"`
	InternalTrafficPolicy         string            `json:"internalTrafficPolicy,omitempty"`
	TrafficDistribution           string            `json:"trafficDistribution,omitempty"`
	HealthCheckNodePort           int32             `json:"healthCheckNodePort,omitempty"`
	PublishNotReadyAddresses      bool              `json:"publishNotReadyAddresses,omitempty"`
	IPFamilies                    []string          `json:"ipFamilies,omitempty"`
	IPFamilyPolicy                string            `json:"ipFamilyPolicy,omitempty"`
}

// KubePort is v1 ServicePort.
type KubePort struct {
	Name        string      `json:"name,omitempty"`
	Protocol    Protocol    `json:"protocol,omitzero"`
	AppProtocol string      `json:"appProtocol,omitempty"`
	Port        uint16      `json:"port"`
	TargetPort  IntOrString `json:"targetPort,omitzero"`
	NodePort    uint16      `json:"nodePort,omitempty"`
}

// AffinityConfig is v1 SessionAffinityConfig.
type AffinityConfig struct {
	ClientIP *struct {
		// TimeoutSeconds from 1 to 86400; absent means 10800.
		TimeoutSeconds *uint32 `json:"timeoutSeconds,omitempty"`
	} `json:"clientIP,omitempty"`
}

// Status is v1 ServiceStatus: the addresses that a load balancer got.
type Status struct {
	LoadBalancer struct {
		Ingress []Ingress `json:"ingress,omitempty"`
	} `json:"loadBalancer,omitzero"`
	Conditions []any `json:"conditions,omitempty"`
}

// Ingress is v1 LoadBalancerIngress.
type Ingress struct {
	IP       netip.Addr `json:"ip,omitzero"`
	Hostname string     `json:"hostname,omitempty"`
	IPMode   string     `json:"ipMode,omitempty"`
	Ports    []any      `json:"ports,omitempty"`
}

// Slice is a discovery.k8s.io/v1 EndpointSlice.
type Slice struct {
	APIVersion  string      `json:"apiVersion"`
	Kind        string      `json:"kind"`
	Metadata    Meta        `json:"metadata"`
	AddressType string      `json:"addressType"`
	Endpoints   []Endpoint  `json:"endpoints,omitempty"`
	Ports       []SlicePort `json:"ports,omitempty"`
}

// SlicePort is discovery.k8s.io/v1 EndpointPort.
type SlicePort struct {
	Name        string   `json:"name,omitempty"`
	Protocol    Protocol `json:"protocol,omitzero"`
	AppProtocol string   `json:"appProtocol,omitempty"`
	Port        uint16   `json:"port,omitempty"`
}

// Endpoint is discovery.k8s.io/v1 Endpoint.
type Endpoint struct {
	Addresses  []string `json:"addresses"`
	Conditions struct {
		Ready       *bool `json:"ready,omitempty"`
		Serving     *bool `json:"serving,omitempty"`
		Terminating *bool `json:"terminating,omitempty"`
	} `json:"conditions,omitzero"`
	Hostname           string            `json:"hostname,omitempty"`
	NodeName           string            `json:"nodeName,omitempty"`
	Zone               string            `json:"zone,omitempty"`
	TargetRef          any               `json:"targetRef,omitempty"`
	DeprecatedTopology map[string]string `json:"deprecatedTopology,omitempty"`
	Hints              *struct {
		ForZones []Hint `json:"forZones,omitempty"`
		ForNodes []Hint `json:"forNodes,omitempty"`
	} `json:"hints,omitempty"`
}

// Hint names a zone or node that an endpoint should serve.
type Hint struct {
	Name string `json:"name"`
}

// Protocol is a transport protocol by its IP protocol number.
type Protocol uint8

// Protocols. The zero value means TCP where Kubernetes lets it be left out.
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case SCTP:
		return "SCTP"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// MarshalText writes TCP, UDP or SCTP.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads TCP, UDP or SCTP.
func (p *Protocol) UnmarshalText(b []byte) error {
	for _, q := range []Protocol{TCP, UDP, SCTP} {
		if q.String() == string(b) {
			*p = q
			return nil
		}
	}
	return fmt.Errorf("protocol %q: must be TCP, UDP or SCTP", b)
}

// IntOrString is a port's number or name.
type IntOrString struct {
	Number uint16
	Name   string
}

// MarshalText writes the number or the name.
func (p IntOrString) MarshalText() ([]byte, error) {
	if p.Name != "" {
		return []byte(p.Name), nil
	}
	return strconv.AppendUint(nil, uint64(p.Number), 10), nil
}

// UnmarshalText reads either.
func (p *IntOrString) UnmarshalText(b []byte) error {
	*p = IntOrString{}
	n, err := strconv.ParseInt(string(b), 10, 64)
	switch {
	case err != nil:
		p.Name = string(b)
	case n < 1 || n > 65535:
		return fmt.Errorf("port %s is out of range: 1 to 65535", b)
	default:
		p.Number = uint16(n)
	}
	return nil
}
