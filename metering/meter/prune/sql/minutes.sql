-- One bite of minutes before $1. $2 bounds it.
delete from loss_minute where (exporter_id, minute) in (select exporter_id, minute from loss_minute where minute < $1 limit $2)
