-- $1 services, $2 slots, the counts, then $11 meter and $12 flush.
insert into usage_slot as u (service_id, slot, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out, meter, flush)
select f.*, $11, $12 from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) as f order by 1, 2
on conflict (service_id, slot) do update set
    bytes_in_l2 = bounded_sum(u.bytes_in_l2, excluded.bytes_in_l2),
    bytes_out_l2 = bounded_sum(u.bytes_out_l2, excluded.bytes_out_l2),
    bytes_in_l3 = bounded_sum(u.bytes_in_l3, excluded.bytes_in_l3),
    bytes_out_l3 = bounded_sum(u.bytes_out_l3, excluded.bytes_out_l3),
    packets_in = bounded_sum(u.packets_in, excluded.packets_in),
    packets_out = bounded_sum(u.packets_out, excluded.packets_out),
    samples_in = bounded_sum(u.samples_in, excluded.samples_in),
    samples_out = bounded_sum(u.samples_out, excluded.samples_out),
    version = u.version + 1, meter = excluded.meter, flush = excluded.flush
