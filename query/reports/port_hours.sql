select to_char(h.hour, 'YYYYMMDDHH24') as sort_key, h.exporter_id, h.if_index, h.hour,
       h.octets_in, h.octets_out, h.packets_in, h.packets_out, h.readings, h.resets, h.implausible, h.gap_seconds,
       h.flow_in, h.flow_out, h.flow_in_elsewhere, h.flow_out_elsewhere,
       h.samples_in, h.samples_out, h.samples_in_elsewhere, h.samples_out_elsewhere,
       r.verdict, r.ratio_in::float8 as ratio_in, r.ratio_out::float8 as ratio_out
from port_hourly h
left join port_reconciliation r on r.exporter_id = h.exporter_id and r.if_index = h.if_index and r.hour = h.hour
where h.exporter_id = @exporter::uuid and h.if_index = @port::bigint and h.hour >= @from::timestamptz and h.hour < @to::timestamptz
