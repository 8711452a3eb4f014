-- $1 cycles, $2 services, then the counts. Gives what is there now: readCycle reads it. Sorted by services first, for the
-- rows of a flush come in several of these statements, parted between services.
insert into usage_cycle as u (cycle_id, service_id, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)
select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) order by 2, 1
on conflict (cycle_id) do update set
    bytes_in_l2 = bounded_sum(u.bytes_in_l2, excluded.bytes_in_l2),
    bytes_out_l2 = bounded_sum(u.bytes_out_l2, excluded.bytes_out_l2),
    bytes_in_l3 = bounded_sum(u.bytes_in_l3, excluded.bytes_in_l3),
    bytes_out_l3 = bounded_sum(u.bytes_out_l3, excluded.bytes_out_l3),
    packets_in = bounded_sum(u.packets_in, excluded.packets_in),
    packets_out = bounded_sum(u.packets_out, excluded.packets_out),
    samples_in = bounded_sum(u.samples_in, excluded.samples_in),
    samples_out = bounded_sum(u.samples_out, excluded.samples_out)
returning cycle_id, new.bytes_in_l2, new.bytes_out_l2, new.bytes_in_l3, new.bytes_out_l3, new.packets_in, new.packets_out, new.samples_in, new.samples_out
