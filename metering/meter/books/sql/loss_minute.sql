insert into loss_minute as l (exporter_id, minute, datagrams, datagrams_lost)
select * from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[]) order by 1, 2
on conflict (exporter_id, minute) do update set
    datagrams = l.datagrams + excluded.datagrams, datagrams_lost = l.datagrams_lost + excluded.datagrams_lost
