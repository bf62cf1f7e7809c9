//! The Envoy cluster that a key set is fetched through.

use std::net::IpAddr;

use portcullis::keys::RemoteKeys;

use crate::yaml::quoted;

/// The cluster as a comment, to be copied into Envoy's configuration.
pub(super) fn comment(keys: &RemoteKeys) -> String {
    let is_tls = keys.scheme == "https";
    let (host, port) = host_and_port(&keys.authority, if is_tls { "443" } else { "80" });
    let tls = if is_tls { tls(host) } else { String::new() };
    let cluster = format!(
        "
Envoy needs this cluster for it (trusted_ca: where the system keeps its authorities):

clusters:
  - name: {name}
    type: STRICT_DNS
    load_assignment:
      cluster_name: {name}
      endpoints:
        - lb_endpoints:
            - endpoint: {{address: {{socket_address: {{address: {address}, port_value: {port}}}}}}}
{tls}",
        name = quoted(&keys.cluster),
        address = quoted(host),
    );
    cluster.lines().map(|line| format!("#{}{line}\n", if line.is_empty() { "" } else { " " })).collect()
}

fn host_and_port<'a>(authority: &'a str, default: &'a str) -> (&'a str, &'a str) {
    if let Some((address, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').unwrap_or(default));
    }
    authority.split_once(':').unwrap_or((authority, default))
}

fn tls(host: &str) -> String {
    let is_address = host.parse::<IpAddr>().is_ok();
    // An address is no server name (RFC 6066, section 3).
    let server_name = if is_address { String::new() } else { format!("        sni: {}\n", quoted(host)) };
    format!(
        "    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
{server_name}        common_tls_context:
          validation_context:
            trusted_ca: {{filename: /etc/ssl/certs/ca-certificates.crt}}
            match_typed_subject_alt_names: [{{san_type: {kind}, matcher: {{exact: {host}}}}}]
",
        kind = if is_address { "IP_ADDRESS" } else { "DNS" },
        host = quoted(host),
    )
}
