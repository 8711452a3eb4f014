insert into collector as c (id, host, boot_at, reported_at, listen, receive_buffer, datagrams, bytes, kernel_drops, spool_drops,
    unknown_datagrams, unknown)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (id) do update set
    host = excluded.host, boot_at = excluded.boot_at, reported_at = excluded.reported_at, listen = excluded.listen,
    receive_buffer = excluded.receive_buffer, datagrams = excluded.datagrams, bytes = excluded.bytes,
    kernel_drops = excluded.kernel_drops, spool_drops = excluded.spool_drops,
    unknown_datagrams = excluded.unknown_datagrams, unknown = excluded.unknown
where excluded.boot_at >= c.boot_at
