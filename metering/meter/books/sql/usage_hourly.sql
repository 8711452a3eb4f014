-- $1 services, $2 exporters, $3 hours, then the counts. Sorted, as in every statement that other meters' rows may meet.
insert into usage_hourly as u (service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)
select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) order by 1, 3, 2
on conflict (service_id, hour, exporter_id) do update set
    bytes_in_l2 = bounded_sum(u.bytes_in_l2, excluded.bytes_in_l2),
    bytes_out_l2 = bounded_sum(u.bytes_out_l2, excluded.bytes_out_l2),
    bytes_in_l3 = bounded_sum(u.bytes_in_l3, excluded.bytes_in_l3),
    bytes_out_l3 = bounded_sum(u.bytes_out_l3, excluded.bytes_out_l3),
    packets_in = bounded_sum(u.packets_in, excluded.packets_in),
    packets_out = bounded_sum(u.packets_out, excluded.packets_out),
    samples_in = bounded_sum(u.samples_in, excluded.samples_in),
    samples_out = bounded_sum(u.samples_out, excluded.samples_out)
