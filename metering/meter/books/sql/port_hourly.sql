-- $1 exporters, $2 ports, $3 hours, then the counts.
insert into port_hourly as p (exporter_id, if_index, hour, octets_in, octets_out, packets_in, packets_out, readings, resets, implausible, gap_seconds, flow_in, flow_out, flow_in_elsewhere, flow_out_elsewhere, samples_in, samples_out, samples_in_elsewhere, samples_out_elsewhere)
select * from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[]) order by 1, 2, 3
on conflict (exporter_id, if_index, hour) do update set
    octets_in = bounded_sum(p.octets_in, excluded.octets_in),
    octets_out = bounded_sum(p.octets_out, excluded.octets_out),
    packets_in = bounded_sum(p.packets_in, excluded.packets_in),
    packets_out = bounded_sum(p.packets_out, excluded.packets_out),
    readings = p.readings + excluded.readings,
    resets = p.resets + excluded.resets,
    implausible = p.implausible + excluded.implausible,
    gap_seconds = p.gap_seconds + excluded.gap_seconds,
    flow_in = bounded_sum(p.flow_in, excluded.flow_in),
    flow_out = bounded_sum(p.flow_out, excluded.flow_out),
    flow_in_elsewhere = bounded_sum(p.flow_in_elsewhere, excluded.flow_in_elsewhere),
    flow_out_elsewhere = bounded_sum(p.flow_out_elsewhere, excluded.flow_out_elsewhere),
    samples_in = bounded_sum(p.samples_in, excluded.samples_in),
    samples_out = bounded_sum(p.samples_out, excluded.samples_out),
    samples_in_elsewhere = p.samples_in_elsewhere + excluded.samples_in_elsewhere,
    samples_out_elsewhere = p.samples_out_elsewhere + excluded.samples_out_elsewhere
