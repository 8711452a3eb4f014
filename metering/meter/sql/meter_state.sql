update meter set state_offset = $2, state = $3 where partition = $1
