select id, host, listen, boot_at, reported_at, receive_buffer, datagrams, bytes, kernel_drops, spool_drops, unknown_datagrams, unknown
from collector
order by reported_at desc, id
limit $1
