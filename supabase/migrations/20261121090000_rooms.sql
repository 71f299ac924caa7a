-- Rooms that last: each room's log, what is computed from it, and who may see it.
--
-- Runs unchanged on a hosted project, on PostgreSQL 15 or newer and on PGlite. It needs the roles anon, authenticated
-- and service_role; auth.users and realtime.send are used where they are there.

-- What no client calls: out of the schemas that the REST API shows.
create schema edge_sockets;
revoke all on schema edge_sockets from public;

--
-- Small functions. Their bodies are parsed now, so that no search_path changes what they mean, and inlined.
--

-- A UUID of version 7: ids that grow with time keep the index of a large table in memory.
create function edge_sockets.new_id() returns uuid
language sql volatile
return encode(
  set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid()) placing
      substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1),
  'hex')::uuid;

create function edge_sockets.iso(moment timestamptz) returns text
language sql stable
return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Who calls by the token of the request; null without one. As auth.uid(), where that may be missing.
create function edge_sockets.user_id() returns uuid
language sql stable
return coalesce(
  nullif(current_setting('request.jwt.claim.sub', true), ''),
  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
)::uuid;

-- In whose name the server itself writes: no row of auth.users, no member, and may send a message to every room.
create function edge_sockets.system_user() returns uuid
language sql immutable
return '00000000-0000-0000-0000-000000000000'::uuid;

-- The limits of a message; replace a function to change one.
create function edge_sockets.max_body_length() returns integer language sql immutable return 16000;
-- Twice what the store lets through, as jsonb writes a space after each comma and colon.
create function edge_sockets.max_data_bytes() returns integer language sql immutable return 131072;
create function edge_sockets.max_reactions() returns integer language sql immutable return 20;
create function edge_sockets.max_page() returns integer language sql immutable return 1000;
-- A page ends with what makes it longer than this, as JSON: many large messages must not fill the memory that reads them.
create function edge_sockets.max_page_bytes() returns integer language sql immutable return 1048576;
-- How many rooms one user may own, and how many messages one may send in ten seconds, over all
-- connections.
create function edge_sockets.max_rooms_per_owner() returns integer language sql immutable return 1000;
create function edge_sockets.max_messages_per_user() returns integer language sql immutable return 3000;

--
-- Tables
--

create table public.rooms (
  id text collate "C" primary key check (id ~ '^[A-Za-z0-9._:-]{1,128}$'),
  kind text not null check (kind in ('public', 'private', 'dm')),
  name text check (char_length(name) <= 256),
  -- Names the log: another epoch is another log, whatever its numbers say.
  epoch text not null default encode(substring(uuid_send(gen_random_uuid()) for 8), 'hex'),
  -- The seq of the newest event. Its row lock is what makes seq gapless.
  head bigint not null default 0,
  -- Events up to and including this seq are no longer kept.
  floor bigint not null default 0,
  created_at timestamptz(3) not null default now()
) with (fillfactor = 50);
comment on table public.rooms is 'A room: public (any signed-in user may join), private or dm (members only).';

create table public.room_members (
  room_id text collate "C" not null references public.rooms on delete cascade,
  user_id uuid not null,
  role text not null default 'member' check (role in ('owner', 'moderator', 'member')),
  -- Where the log stood when he came: nothing before counts as unread.
  joined_seq bigint not null default 0,
  joined_at timestamptz(3) not null default now(),
  -- The newest message he has read; 0 until the first receipt.
  read_seq bigint not null default 0,
  read_at timestamptz(3),
  primary key (room_id, user_id)
) with (fillfactor = 80);
comment on table public.room_members is 'Who is in a room, in which role, and how far he has read.';
create index room_members_of_user on public.room_members (user_id, room_id);

create table public.messages (
  id uuid primary key default edge_sockets.new_id(),
  room_id text collate "C" not null references public.rooms on delete cascade,
  -- The event that brought it. Left out of an insert, it is given at the end of the statement.
  seq bigint,
  sender_id uuid not null,
  sender_name text check (char_length(sender_name) <= 256),
  subject text check (char_length(subject) <= 256),
  body text not null default '' check (char_length(body) <= edge_sockets.max_body_length()),
  data jsonb check (octet_length(data::text) <= edge_sockets.max_data_bytes()),
  reply_to uuid,
  client_id text check (char_length(client_id) between 1 and 128),
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  edited_at timestamptz(3),
  deleted_at timestamptz(3),
  deleted_by uuid,
  -- A retry finds what its first try stored.
  unique (sender_id, client_id)
);
comment on table public.messages is 'The messages as they stand now, kept in the transaction that writes the log.';
-- For history, and with what it includes for unread counts, which then need not visit the table.
create unique index messages_in_log on public.messages (room_id, seq) include (sender_id, deleted_at);

create table public.reactions (
  message_id uuid not null references public.messages on delete cascade,
  emoji text collate "C" not null check (char_length(emoji) between 1 and 32),
  user_id uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (message_id, emoji, user_id)
);
comment on table public.reactions is 'Who reacted to a message with what.';

-- The log. A message is not repeated here: an old event shows it as it is now. No foreign keys: rows are written by
-- functions that hold the room's lock, and outlive their message.
create table public.room_events (
  room_id text collate "C" not null,
  seq bigint not null,
  kind text collate "C" not null check (kind in ('message', 'edit', 'delete', 'reaction', 'read', 'member')),
  user_id uuid not null,
  message_id uuid,
  -- reaction: emoji, removed; member: role, change.
  detail jsonb,
  created_at timestamptz(3) not null,
  primary key (room_id, seq)
);
comment on table public.room_events is 'Every durable fact of a room, with gapless seq. Written by functions only.';

-- Counts by ten seconds. Not written ahead: after a crash everyone starts anew.
create unlogged table edge_sockets.message_rates (
  user_id uuid primary key,
  window_start timestamptz not null,
  sent integer not null
) with (fillfactor = 50);

do $$ begin
  if to_regclass('auth.users') is not null then
    alter table public.room_members add foreign key (user_id) references auth.users (id) on delete cascade;
  end if;
end $$;

--
-- Into the log
--

-- Adds an event and gives its seq; null where the room is gone.
create function edge_sockets.append(
  room text, kind text, actor uuid, message uuid, detail jsonb, moment timestamptz
) returns bigint
language plpgsql set search_path = '' as $$
declare
  next_seq bigint;
begin
  update public.rooms as r set head = r.head + 1 where r.id = append.room returning r.head into next_seq;
  if next_seq is null then
    return null;
  end if;
  insert into public.room_events (room_id, seq, kind, user_id, message_id, detail, created_at)
    values (append.room, next_seq, append.kind, actor, message, append.detail, moment);
  return next_seq;
end $$;

create function edge_sockets.log_member() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  next_seq bigint;
begin
  if tg_op = 'DELETE' then
    perform edge_sockets.append(old.room_id, 'member', old.user_id, null,
      jsonb_build_object('role', old.role, 'change', 'removed'), clock_timestamp());
    return null;
  end if;
  next_seq := edge_sockets.append(new.room_id, 'member', new.user_id, null,
    jsonb_build_object('role', new.role, 'change', case tg_op when 'INSERT' then 'added' else 'role' end),
    clock_timestamp());
  if tg_op = 'INSERT' then
    update public.room_members set joined_seq = next_seq where room_id = new.room_id and user_id = new.user_id;
  end if;
  return null;
end $$;
create trigger log_added_or_removed after insert or delete on public.room_members
  for each row execute function edge_sockets.log_member();
create trigger log_role after update on public.room_members
  for each row when (old.role is distinct from new.role) execute function edge_sockets.log_member();

-- A message by plain SQL or the REST API. After the row, not before: what ON CONFLICT skips must take no seq.
create function edge_sockets.log_inserted_message() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.messages
    set seq = edge_sockets.append(new.room_id, 'message', new.sender_id, new.id, null, clock_timestamp())
    where id = new.id;
  return null;
end $$;
create trigger log_inserted after insert on public.messages
  for each row when (new.seq is null) execute function edge_sockets.log_inserted_message();

create function edge_sockets.keep_message_whole() returns trigger
language plpgsql set search_path = '' as $$
begin
  if (new.id, new.room_id, new.sender_id, new.client_id, new.created_at)
    is distinct from (old.id, old.room_id, old.sender_id, old.client_id, old.created_at)
    or (old.seq is not null and new.seq is distinct from old.seq)
  then
    raise exception 'A message keeps its id, room, seq, sender, client_id and time' using errcode = '23514';
  end if;
  if old.deleted_at is not null then
    if (new.body, new.subject, new.data, new.deleted_at)
      is distinct from (old.body, old.subject, old.data, old.deleted_at)
    then
      raise exception 'A deleted message stays deleted' using errcode = '23514';
    end if;
  elsif new.deleted_at is not null then
    new.body := '';
    new.subject := null;
    new.data := null;
    new.updated_at := new.deleted_at;
  elsif (new.body, new.subject, new.data) is distinct from (old.body, old.subject, old.data) then
    if new.edited_at is not distinct from old.edited_at then
      new.edited_at := clock_timestamp();
    end if;
    new.updated_at := new.edited_at;
  end if;
  return new;
end $$;
create trigger keep_whole before update on public.messages
  for each row execute function edge_sockets.keep_message_whole();

create function edge_sockets.log_changed_message() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    perform edge_sockets.append(old.room_id, 'delete', coalesce(edge_sockets.user_id(), old.sender_id), old.id, null,
      clock_timestamp());
  elsif new.deleted_at is not null then
    perform edge_sockets.append(new.room_id, 'delete', coalesce(new.deleted_by, new.sender_id), new.id, null,
      new.deleted_at);
  else
    perform edge_sockets.append(new.room_id, 'edit', new.sender_id, new.id, null, new.edited_at);
  end if;
  return null;
end $$;
create trigger log_deleted after update on public.messages
  for each row when (old.deleted_at is null and new.deleted_at is not null)
  execute function edge_sockets.log_changed_message();
create trigger log_edited after update on public.messages
  for each row when (
    new.deleted_at is null and (old.body, old.subject, old.data) is distinct from (new.body, new.subject, new.data)
  ) execute function edge_sockets.log_changed_message();
create trigger log_removed after delete on public.messages
  for each row when (old.deleted_at is null) execute function edge_sockets.log_changed_message();

create function edge_sockets.log_reaction() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  changed public.reactions := case tg_op when 'DELETE' then old else new end;
begin
  perform edge_sockets.append(m.room_id, 'reaction', changed.user_id, m.id,
    jsonb_build_object('emoji', changed.emoji, 'removed', tg_op = 'DELETE'), clock_timestamp())
    from public.messages m where m.id = changed.message_id;
  return null;
end $$;
create trigger log_changed after insert or delete on public.reactions
  for each row execute function edge_sockets.log_reaction();

create function edge_sockets.forget_log() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from public.room_events where room_id = old.id;
  return null;
end $$;
create trigger forget_log after delete on public.rooms for each row execute function edge_sockets.forget_log();

--
-- Out of the log: frames as the protocol has them
--

-- Put together as text, which takes a third of the time of building, stripping and merging jsonb: null members of
-- concat() leave nothing behind. Ids need no escapes.
create function edge_sockets.message_json(
  m public.messages, room_kind text, reactions json, read_at timestamptz
) returns json
language sql stable
return concat(
  '{"id":"', (m).id,
  '","room":"', (m).room_id,
  '","seq":', (m).seq,
  ',"sender":{"id":"', (m).sender_id, '"', ',"name":' || to_json((m).sender_name)::text, '}',
  case when room_kind = 'dm' then concat(',"recipient":"', split_part((m).room_id, ':',
    case split_part((m).room_id, ':', 2) when (m).sender_id::text then 3 else 2 end), '"')
  else concat(',"community":"', (m).room_id, '"') end,
  ',"subject":' || to_json((m).subject)::text,
  ',"body":', to_json((m).body)::text,
  ',"data":' || (m).data::text,
  ',"reply_to":"' || (m).reply_to::text || '"',
  ',"client_id":' || to_json((m).client_id)::text,
  ',"is_read":', case when read_at is null then 'false' else 'true' end,
  ',"read_at":', coalesce('"' || edge_sockets.iso(read_at) || '"', 'null'),
  ',"created_at":"', edge_sockets.iso((m).created_at),
  '","updated_at":"', edge_sockets.iso((m).updated_at), '"',
  ',"edited_at":"' || edge_sockets.iso((m).edited_at) || '"',
  ',"deleted_at":"' || edge_sockets.iso((m).deleted_at) || '"',
  ',"reactions":' || reactions::text,
  '}'
)::json;

-- The frame of a message that is there.
create function edge_sockets.new_message_json(m public.messages, room_kind text, reactions json) returns json
language sql stable
return json_build_object('type', 'new_message', 'message',
  edge_sockets.message_json(m, room_kind, reactions, null));

-- The frame of any event; `m` is its message as it is now, null where it is gone.
create function edge_sockets.frame_json(e public.room_events, m public.messages, room_kind text) returns json
language plpgsql stable set search_path = '' as $$
begin
  case e.kind
    when 'message' then
      if m.id is null then
        m.id := e.message_id;
        m.room_id := e.room_id;
        m.seq := e.seq;
        m.sender_id := e.user_id;
        m.body := '';
        m.created_at := e.created_at;
        m.updated_at := e.created_at;
        m.deleted_at := e.created_at;
      end if;
      return edge_sockets.new_message_json(m, room_kind, null);
    when 'edit' then
      return json_build_object('type', 'message_edited', 'room', e.room_id, 'seq', e.seq, 'message_id', e.message_id,
        'user_id', e.user_id, 'body', coalesce(m.body, ''),
        'edited_at', edge_sockets.iso(coalesce(m.edited_at, e.created_at)));
    when 'delete' then
      return json_build_object('type', 'message_deleted', 'room', e.room_id, 'seq', e.seq, 'message_id', e.message_id,
        'user_id', e.user_id, 'deleted_at', edge_sockets.iso(e.created_at));
    when 'reaction' then
      return json_build_object('type', 'reaction', 'room', e.room_id, 'seq', e.seq, 'message_id', e.message_id,
        'user_id', e.user_id, 'emoji', e.detail -> 'emoji', 'removed', e.detail -> 'removed');
    when 'read' then
      return json_build_object('type', 'message_read', 'room', e.room_id, 'seq', e.seq, 'message_id', e.message_id,
        'user_id', e.user_id, 'read_at', edge_sockets.iso(e.created_at));
    when 'member' then
      return json_build_object('type', 'member', 'room', e.room_id, 'seq', e.seq, 'user_id', e.user_id,
        'role', e.detail -> 'role', 'change', e.detail -> 'change');
  end case;
end $$;

-- The newest event of a room whose lock the caller holds: what he has just added. Three look-ups, not a join, which
-- would be planned by the statistics of a day when the tables were small.
create function edge_sockets.newest_event(r public.rooms) returns json
language plpgsql stable set search_path = '' as $$
declare
  e public.room_events;
  m public.messages;
begin
  select * into e from public.room_events where room_id = r.id and seq = r.head;
  select * into m from public.messages where id = e.message_id;
  return json_build_object('room', e.room_id, 'seq', e.seq, 'frame', edge_sockets.frame_json(e, m, r.kind));
end $$;

--
-- Answers: {ok: true, value} or {ok: false, error: {code, message}}
--

create function edge_sockets.success(value json) returns json
language sql immutable
return json_build_object('ok', true, 'value', value);

create function edge_sockets.refusal(code text) returns json
language sql immutable
return json_build_object('ok', false, 'error', json_build_object('code', code, 'message', case code
  when 'room_not_found' then 'There is no such room.'
  when 'message_not_found' then 'There is no such message.'
  when 'not_found' then 'There is no such user.'
  when 'forbidden' then 'This is not allowed here.'
  when 'too_large' then 'The message is too large.'
  when 'rate_limited' then 'Too many messages: wait some seconds.'
  when 'unprocessable' then 'The database refuses this.'
  else 'The request is not valid.'
end));

-- Whether the secret key, or a connection to the database, calls.
create function edge_sockets.is_server() returns boolean
language sql stable
return current_setting('role') not in ('anon', 'authenticated') and edge_sockets.user_id() is null;

-- The functions of the server take the user as an argument: a caller with a user's token must not reach them, even
-- where someone granted everything to everyone.
create function edge_sockets.require_server() returns void
language plpgsql set search_path = '' as $$
begin
  if not edge_sockets.is_server() then
    raise exception 'Only the server may call this' using errcode = '42501';
  end if;
end $$;

create function edge_sockets.require_user() returns uuid
language plpgsql stable set search_path = '' as $$
declare
  caller constant uuid := edge_sockets.user_id();
begin
  if caller is null then
    raise exception 'Only a signed-in user may call this' using errcode = '42501';
  end if;
  return caller;
end $$;

-- What a write came to, and where it is new, the event with its frame.
create function edge_sockets.written_json(id uuid, room text, seq bigint, moment timestamptz, frame json) returns json
language sql stable
return concat('{"id":"', id, '","room":"', room, '","seq":', seq, ',"created_at":"', edge_sockets.iso(moment), '"',
  ',"event":{"room":"' || room || '","seq":' || seq || ',"frame":' || frame::text || '}', '}')::json;

-- Raises a refusal as the REST API shows it: with its HTTP status, and the code as `details`.
create function edge_sockets.value_of(answer json) returns json
language plpgsql set search_path = '' as $$
declare
  code constant text := answer #>> '{error,code}';
begin
  if code is null then
    return answer -> 'value';
  end if;
  raise exception '%', answer #>> '{error,message}' using detail = code, errcode = case code
    when 'forbidden' then 'PT403'
    when 'room_not_found' then 'PT404'
    when 'message_not_found' then 'PT404'
    when 'not_found' then 'PT404'
    when 'too_large' then 'PT413'
    when 'unprocessable' then 'PT422'
    when 'rate_limited' then 'PT429'
    else 'PT400'
  end;
end $$;

create function edge_sockets.user_exists(id uuid) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  -- Planned when it is reached, so that a database without Auth takes every id.
  return id <> edge_sockets.system_user()
    and (to_regclass('auth.users') is null or (select exists (select from auth.users u where u.id = user_exists.id)));
end $$;

create function edge_sockets.owns_too_many(owner uuid) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return (select count(*) from public.room_members rm where rm.user_id = owner and rm.role = 'owner')
    >= edge_sockets.max_rooms_per_owner();
end $$;

--
-- Writes
--
-- What is called often keeps one plan for good, as planning takes longer than running; and that plan may look up by index
-- only, as it may have been made when the tables were empty.
--

-- Counts the messages of each user and gives those who sent too many. It also locks the users, in the order of their
-- ids, so that two calls with one client_id follow each other whatever rooms they write to.
create function edge_sockets.count_messages(writes jsonb) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  limited uuid[];
begin
  with sent as (
    select (w #>> '{actor,id}')::uuid as user_id, count(*)::integer as messages
    from jsonb_array_elements(writes) w where w ->> 'kind' = 'message' group by 1 order by 1
  ), counted as (
    insert into edge_sockets.message_rates as rate (user_id, window_start, sent)
    select user_id, clock_timestamp(), messages from sent order by user_id
    on conflict (user_id) do update set
      sent = excluded.sent
        + case when rate.window_start > excluded.window_start - interval '10 seconds' then rate.sent else 0 end,
      window_start = case when rate.window_start > excluded.window_start - interval '10 seconds'
        then rate.window_start else excluded.window_start end
    returning rate.user_id, rate.sent
  )
  select coalesce(array_agg(user_id), '{}') into limited from counted
    where sent > edge_sockets.max_messages_per_user() and user_id <> edge_sockets.system_user();
  return limited;
end $$;

-- Locks every room that is written to, in the order of their ids: two calls that meet in several rooms cannot deadlock.
create function edge_sockets.lock_rooms(writes jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  perform from public.rooms r
    where r.id = any (array(
      select w ->> 'room' from jsonb_array_elements(writes) w where w ->> 'kind' = 'message'
      union
      select (select m.room_id from public.messages m where m.id = (w ->> 'message_id')::uuid)
      from jsonb_array_elements(writes) w where w ->> 'kind' <> 'message'
    ))
    order by r.id for no key update;
end $$;

-- Stores messages, all in one statement: one answer for each, in their order. The rooms are locked.
create function edge_sockets.post_messages(writes jsonb, limited uuid[], moment timestamptz(3)) returns json
language plpgsql set search_path = '' as $$
declare
  results json;
begin
  with item as (
    select
      w.place,
      (w.value #>> '{actor,id}')::uuid as sender_id,
      w.value #>> '{actor,name}' as sender_name,
      w.value ->> 'room' as room_id,
      w.value ->> 'body' as body,
      w.value ->> 'subject' as subject,
      w.value ->> 'client_id' as client_id,
      (w.value ->> 'reply_to')::uuid as reply_to,
      nullif(w.value -> 'data', 'null') as data
    from jsonb_array_elements(writes) with ordinality as w (value, place)
  ), judged as (
    select
      item.*,
      r.head,
      r.kind as room_kind,
      case when earlier.id is not null then
        edge_sockets.written_json(earlier.id, earlier.room_id, earlier.seq, earlier.created_at, null)
      end as earlier,
      case
        when earlier.id is not null then null
        when r.id is null then 'room_not_found'
        when member.user_id is null and item.sender_id <> edge_sockets.system_user() then
          case r.kind when 'public' then 'forbidden' else 'room_not_found' end
        when item.reply_to is not null and not exists (
          select from public.messages m where m.id = item.reply_to and m.room_id = item.room_id
        ) then 'message_not_found'
        when char_length(item.body) > edge_sockets.max_body_length() then 'too_large'
        when octet_length(item.data::text) > edge_sockets.max_data_bytes() then 'too_large'
        when coalesce(item.body, '') = '' and item.data is null then 'bad_request'
        when char_length(item.client_id) not between 1 and 128 then 'bad_request'
        when char_length(item.subject) > 256 or char_length(item.sender_name) > 256 then 'bad_request'
        when item.sender_id = any (limited) then 'rate_limited'
      end as refusal
    from item
    left join public.rooms r on r.id = item.room_id
    left join public.room_members member on member.room_id = item.room_id and member.user_id = item.sender_id
    left join lateral (
      select m.id, m.room_id, m.seq, m.created_at from public.messages m
      where m.sender_id = item.sender_id and m.client_id = item.client_id limit 1
    ) as earlier on true
  ), ranked as (
    -- A client_id that comes twice in one call: the second names what the first stores.
    select judged.*, coalesce(client_id, place::text) as name, refusal is null and earlier is null as is_fresh,
      row_number() over (
        partition by sender_id, coalesce(client_id, place::text), refusal is null and earlier is null order by place
      ) as nth
    from judged
  ), placed as (
    select ranked.*, is_fresh and nth = 1 as is_new, case when is_fresh and nth = 1 then edge_sockets.new_id() end as id,
      head + count(*) filter (where is_fresh and nth = 1) over (partition by room_id order by place) as seq
    from ranked
  ), named as (
    select placed.*, first_value(id) over first_one as message_id, first_value(seq) over first_one as message_seq
    from placed window first_one as (partition by sender_id, name, is_fresh order by place)
  ), stored as (
    insert into public.messages as m
      (id, room_id, seq, sender_id, sender_name, subject, body, data, reply_to, client_id, created_at, updated_at)
    select id, room_id, seq, sender_id, sender_name, subject, coalesce(body, ''), data, reply_to, client_id, moment, moment
    from named where is_new order by place
    returning m.id, m
  ), logged as (
    insert into public.room_events (room_id, seq, kind, user_id, message_id, created_at)
    select room_id, seq, 'message', sender_id, id, moment from named where is_new order by place
  ), moved as (
    update public.rooms r set head = last.seq
    from (select room_id, max(seq) as seq from named where is_new group by room_id) as last
    where r.id = last.room_id
  )
  select coalesce(json_agg(
    case
      when refusal is not null then edge_sockets.refusal(refusal)
      when earlier is not null then edge_sockets.success(earlier)
      else edge_sockets.success(edge_sockets.written_json(message_id, room_id, message_seq, moment,
        case when is_new then edge_sockets.new_message_json(stored.m, room_kind, null) end))
    end order by place), '[]')
  into results
  from named left join stored on stored.id = named.id;
  return results;
end $$;

-- Stores an edit, a deletion, a reaction or a receipt. Its room is locked; the triggers write the log.
create function edge_sockets.post_change(write jsonb, moment timestamptz(3)) returns json
language plpgsql set search_path = '' as $$
declare
  actor constant uuid := write #>> '{actor,id}';
  m public.messages;
  r public.rooms;
  member public.room_members;
  before json;
  reacted boolean;
begin
  select * into m from public.messages where id = (write ->> 'message_id')::uuid;
  select * into r from public.rooms where id = m.room_id;
  select * into member from public.room_members rm where rm.room_id = m.room_id and rm.user_id = actor;
  if m.id is null or (member.user_id is null and r.kind <> 'public') then
    return edge_sockets.refusal('message_not_found');
  elsif member.user_id is null then
    return edge_sockets.refusal('forbidden');
  end if;
  before := edge_sockets.written_json(m.id, m.room_id, m.seq, m.created_at, null);

  case write ->> 'kind'
    when 'edit' then
      if m.sender_id <> actor then
        return edge_sockets.refusal('forbidden');
      elsif m.deleted_at is not null then
        return edge_sockets.refusal('message_not_found');
      elsif char_length(write ->> 'body') > edge_sockets.max_body_length() then
        return edge_sockets.refusal('too_large');
      elsif coalesce(write ->> 'body', '') = '' then
        return edge_sockets.refusal('bad_request');
      elsif m.body = write ->> 'body' then
        return edge_sockets.success(before);
      end if;
      update public.messages set body = write ->> 'body', edited_at = moment where id = m.id;
    when 'delete' then
      if m.sender_id <> actor and member.role = 'member' then
        return edge_sockets.refusal('forbidden');
      elsif m.deleted_at is not null then
        return edge_sockets.success(before);
      end if;
      update public.messages set deleted_at = moment, deleted_by = actor where id = m.id;
    when 'react' then
      if m.deleted_at is not null then
        return edge_sockets.refusal('message_not_found');
      elsif coalesce(char_length(write ->> 'emoji'), 0) not between 1 and 32 then
        return edge_sockets.refusal('bad_request');
      end if;
      reacted := exists (
        select from public.reactions x where x.message_id = m.id and x.emoji = write ->> 'emoji' and x.user_id = actor
      );
      if reacted <> (write ->> 'remove')::boolean then
        return edge_sockets.success(before);
      elsif reacted then
        delete from public.reactions x where x.message_id = m.id and x.emoji = write ->> 'emoji' and x.user_id = actor;
      elsif (select count(*) from public.reactions x where x.message_id = m.id and x.user_id = actor)
        >= edge_sockets.max_reactions()
      then
        return edge_sockets.refusal('unprocessable');
      else
        insert into public.reactions (message_id, emoji, user_id) values (m.id, write ->> 'emoji', actor);
      end if;
    when 'read' then
      if m.seq <= member.read_seq then
        return edge_sockets.success(before);
      end if;
      update public.room_members rm set read_seq = m.seq, read_at = moment
        where rm.room_id = m.room_id and rm.user_id = actor;
      perform edge_sockets.append(m.room_id, 'read', actor, m.id, null, moment);
  end case;

  -- The room is locked, so what was just added is its head.
  select * into r from public.rooms where id = m.room_id;
  return edge_sockets.success(edge_sockets.written_json(m.id, r.id, r.head, moment,
    edge_sockets.newest_event(r) -> 'frame'));
end $$;

-- Stores any writes, in their order. Users and rooms are locked.
create function edge_sockets.post_all(writes jsonb, limited uuid[], moment timestamptz(3)) returns json
language plpgsql set search_path = '' as $$
declare
  write jsonb;
  messages jsonb[] := '{}';
  results json[] := '{}';
begin
  if not jsonb_path_exists(writes, '$[*] ? (@.kind != "message")') then
    return edge_sockets.post_messages(writes, limited, moment);
  end if;
  for write in select value from jsonb_array_elements(writes || '[null]') loop
    if write ->> 'kind' = 'message' then
      messages := array_append(messages, write);
      continue;
    end if;
    if messages <> '{}' then
      results := results || array(
        select json_array_elements(edge_sockets.post_messages(to_jsonb(messages), limited, moment))
      );
      messages := '{}';
    end if;
    if write <> 'null' then
      results := array_append(results, edge_sockets.post_change(write, moment));
    end if;
  end loop;
  return array_to_json(results);
end $$;

-- Stores each write or refuses it by itself: one answer for each, in their order.
create function edge_sockets.post(writes jsonb) returns json
language plpgsql set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  limited constant uuid[] := edge_sockets.count_messages(writes);
  moment timestamptz(3);
  write jsonb;
  results json[] := '{}';
begin
  perform edge_sockets.lock_rooms(writes);
  moment := clock_timestamp();
  begin
    return edge_sockets.post_all(writes, limited, moment);
  exception when others then
    -- Not a matter of what was written: the caller tries again.
    if sqlstate ~ '^(40|53|55|57|58|XX)' then
      raise;
    end if;
  end;
  -- A trigger or a constraint that is not ours refuses one of them: the others are stored all the same.
  for write in select value from jsonb_array_elements(writes) loop
    begin
      results := array_append(results, edge_sockets.post_all(jsonb_build_array(write), limited, moment) -> 0);
    exception when others then
      if sqlstate ~ '^(40|53|55|57|58|XX)' then
        raise;
      end if;
      results := array_append(results, edge_sockets.refusal('unprocessable'));
    end;
  end loop;
  return array_to_json(results);
end $$;

--
-- The Store of the chat function: for the server alone
--

create function public.chat_post(writes jsonb) returns json
language plpgsql security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  return edge_sockets.post(writes);
end $$;

-- The room as a member sees it; with the event that made him one, where that is new.
create function edge_sockets.view_json(r public.rooms, member_role text, event json default null) returns json
language sql immutable
return json_strip_nulls(json_build_object('room', (r).id, 'kind', (r).kind, 'epoch', (r).epoch, 'head', (r).head,
  'role', member_role, 'event', event));

create function public.chat_join(member uuid, room text, create_rooms boolean) returns json
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  r public.rooms;
  current_role_name text;
  created boolean := false;
begin
  perform edge_sockets.require_server();
  select * into r from public.rooms where id = chat_join.room;
  if r.id is null and create_rooms and chat_join.room ~ '^(?!dm:)[A-Za-z0-9._:-]{1,128}$' then
    if edge_sockets.owns_too_many(member) then
      return edge_sockets.refusal('unprocessable');
    end if;
    insert into public.rooms (id, kind) values (chat_join.room, 'public') on conflict do nothing;
    created := found;
    select * into r from public.rooms where id = chat_join.room;
  end if;
  select rm.role into current_role_name from public.room_members rm where rm.room_id = r.id and rm.user_id = member;
  if current_role_name is not null then
    return edge_sockets.success(edge_sockets.view_json(r, current_role_name));
  elsif r.id is null or r.kind <> 'public' then
    return edge_sockets.refusal('room_not_found');
  elsif not edge_sockets.user_exists(member) then
    return edge_sockets.refusal('forbidden');
  end if;

  -- Locked first, as everywhere: what is added then is the head.
  perform from public.rooms where id = r.id for no key update;
  insert into public.room_members (room_id, user_id, role)
    values (r.id, member, case when created then 'owner' else 'member' end) on conflict do nothing;
  if found then
    select * into r from public.rooms where id = r.id;
    return edge_sockets.success(edge_sockets.view_json(r, case when created then 'owner' else 'member' end,
      edge_sockets.newest_event(r)));
  end if;
  return public.chat_join(member, chat_join.room, create_rooms);
end $$;

-- The dm room of two users, made when needed.
create function edge_sockets.open_direct(member uuid, other uuid) returns json
language plpgsql set search_path = '' as $$
declare
  pair constant uuid[] := array[least(member, other), greatest(member, other)];
  direct_id constant text := 'dm:' || pair[1] || ':' || pair[2];
  r public.rooms;
begin
  if member = other then
    return edge_sockets.refusal('bad_request');
  end if;
  select * into r from public.rooms where id = direct_id;
  if r.id is null then
    if not (member = edge_sockets.system_user() or edge_sockets.user_exists(member))
      or not edge_sockets.user_exists(other)
    then
      return edge_sockets.refusal('not_found');
    end if;
    insert into public.rooms (id, kind) values (direct_id, 'dm') on conflict do nothing;
    if found then
      insert into public.room_members (room_id, user_id)
        select direct_id, one from unnest(pair) as one where one <> edge_sockets.system_user();
    end if;
    select * into r from public.rooms where id = direct_id;
  end if;
  if member <> edge_sockets.system_user()
    and not exists (select from public.room_members rm where rm.room_id = r.id and rm.user_id = member)
  then
    return edge_sockets.refusal('room_not_found');
  end if;
  return edge_sockets.success(edge_sockets.view_json(r, 'member'));
end $$;

create function public.chat_open_direct(member uuid, other uuid) returns json
language plpgsql security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  return edge_sockets.open_direct(member, other);
end $$;

-- User ids by emoji; null for none.
create function edge_sockets.reactions_json(message uuid) returns json
language plpgsql stable set search_path = '' as $$
begin
  return (
    select json_object_agg(by_emoji.emoji, by_emoji.users)
    from (
      select r.emoji, json_agg(r.user_id order by r.created_at) as users
      from public.reactions r where r.message_id = reactions_json.message group by r.emoji
    ) as by_emoji
  );
end $$;

-- One statement, so that head and events are of one moment. Null: no such room.
create function public.chat_events_since(room text, since bigint, page integer) returns json
language plpgsql stable security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  perform edge_sockets.require_server();
  return (
    select json_build_object('epoch', r.epoch, 'head', r.head, 'floor', r.floor, 'events', coalesce((
      select json_agg(json_build_object('seq', bounded.seq, 'frame', bounded.frame) order by bounded.seq)
      from (
        select framed.*, sum(octet_length(framed.frame::text)) over (
          order by framed.seq rows between unbounded preceding and 1 preceding) as bytes_before
        from (
          select later.seq, case when (later.e).kind = 'message' and (later.m).id is not null
            then edge_sockets.new_message_json(later.m, r.kind, later.reactions)
            else edge_sockets.frame_json(later.e, later.m, r.kind)
          end as frame
          from (
            select e.seq, e, m,
              case when m.deleted_at is null and exists (select from public.reactions x where x.message_id = m.id)
                then edge_sockets.reactions_json(m.id) end as reactions
            from public.room_events e
            left join public.messages m on m.id = e.message_id
            where e.room_id = r.id and e.seq > since
            order by e.seq
            limit greatest(1, least(page, edge_sockets.max_page()))
          ) as later
          offset 0 -- So that each frame is made once.
        ) as framed
      ) as bounded
      where coalesce(bounded.bytes_before, 0) <= edge_sockets.max_page_bytes()
    ), '[]'))
    from public.rooms r where r.id = chat_events_since.room
  );
end $$;

create function public.chat_heads(rooms text[], users uuid[]) returns json
language plpgsql stable security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  perform edge_sockets.require_server();
  return json_build_object(
    'heads', coalesce((
      select json_object_agg(r.id, json_build_object('epoch', r.epoch, 'head', r.head))
      from public.rooms r where r.id = any (chat_heads.rooms)
    ), '{}'),
    'users', coalesce((
      select json_object_agg(u.id, coalesce((
        select json_agg(edge_sockets.view_json(r, rm.role) order by r.id)
        from public.room_members rm join public.rooms r on r.id = rm.room_id
        where rm.user_id = u.id
      ), '[]'))
      from (select distinct unnest(chat_heads.users) as id) as u
    ), '{}')
  );
end $$;

create function public.chat_history(reader uuid, room text, before bigint, page integer) returns json
language plpgsql stable security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  r public.rooms;
  member public.room_members;
  furthest public.room_members;
  size constant integer := greatest(1, least(page, edge_sockets.max_page()));
  found_messages integer;
  messages json[];
begin
  perform edge_sockets.require_server();
  select * into r from public.rooms where id = chat_history.room;
  select * into member from public.room_members rm where rm.room_id = r.id and rm.user_id = reader;
  if r.id is null or (member.user_id is null and r.kind <> 'public') then
    return edge_sockets.refusal('room_not_found');
  end if;
  -- Of his own messages the reader sees whether the one who has read furthest has read them.
  select * into furthest from public.room_members rm
    where rm.room_id = r.id and rm.user_id <> reader order by rm.read_seq desc limit 1;
  select count(*), array_agg(bounded.message order by bounded.seq)
    filter (where bounded.place <= size and coalesce(bounded.bytes_before, 0) <= edge_sockets.max_page_bytes())
  into found_messages, messages
  from (
    select shown.*, row_number() over newest_first as place,
      sum(octet_length(shown.message::text)) over (newest_first rows between unbounded preceding and 1 preceding)
        as bytes_before
    from (
      select m.seq, edge_sockets.message_json(m, r.kind,
        case when m.deleted_at is null and exists (select from public.reactions x where x.message_id = m.id)
          then edge_sockets.reactions_json(m.id) end,
        case
          when m.sender_id = reader then case when m.seq <= furthest.read_seq then furthest.read_at end
          when m.seq <= member.read_seq then member.read_at
          when m.seq <= member.joined_seq then member.joined_at
        end) as message
      from public.messages m
      where m.room_id = r.id and m.seq < coalesce(chat_history.before, 9223372036854775807)
      order by m.seq desc
      -- One more than asked for tells that there are more.
      limit size + 1
    ) as shown
    window newest_first as (order by shown.seq desc)
  ) as bounded;
  return edge_sockets.success(json_build_object(
    'messages', coalesce(array_to_json(messages), '[]'),
    'more', found_messages > coalesce(cardinality(messages), 0)
  ));
end $$;

create function edge_sockets.unread_in(member public.room_members) returns bigint
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return (
    select count(*) from public.messages m
    where m.room_id = member.room_id and m.seq > greatest(member.joined_seq, member.read_seq)
      and m.sender_id <> member.user_id and m.deleted_at is null
  );
end $$;

create function edge_sockets.unread(reader uuid, room text) returns json
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  member public.room_members;
begin
  if unread.room is null then
    return edge_sockets.success((
      select to_json(coalesce(sum(edge_sockets.unread_in(rm)), 0)) from public.room_members rm where rm.user_id = reader
    ));
  end if;
  select * into member from public.room_members rm where rm.room_id = unread.room and rm.user_id = reader;
  if member.user_id is not null then
    return edge_sockets.success(to_json(edge_sockets.unread_in(member)));
  elsif exists (select from public.rooms r where r.id = unread.room and r.kind = 'public') then
    return edge_sockets.refusal('forbidden');
  end if;
  return edge_sockets.refusal('room_not_found');
end $$;

create function public.chat_unread(reader uuid, room text) returns json
language plpgsql stable security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  return edge_sockets.unread(reader, chat_unread.room);
end $$;

-- Forgets all but the newest events of a room, for logs that grew long; messages stay. Clients that were away for longer
-- are told to read the history. Gives the new floor.
create function public.trim_room_log(room text, keep bigint) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  new_floor bigint;
begin
  perform edge_sockets.require_server();
  update public.rooms r set floor = greatest(r.floor, r.head - greatest(keep, 0)) where r.id = trim_room_log.room
    returning r.floor into new_floor;
  delete from public.room_events e where e.room_id = trim_room_log.room and e.seq <= new_floor;
  return new_floor;
end $$;

--
-- For users of supabase-js, by their own token; the server may call those that set rooms up
--

-- Makes a room. Its owner is the caller; where the server calls, the first of the members.
create function public.create_room(kind text, id text, name text default null, members uuid[] default '{}')
returns public.rooms
language plpgsql security definer set search_path = '' as $$
declare
  everyone uuid[];
  created public.rooms;
begin
  everyone := case when edge_sockets.is_server() then members else edge_sockets.require_user() || members end;
  if create_room.kind not in ('public', 'private') or create_room.id !~ '^(?!dm:)[A-Za-z0-9._:-]{1,128}$'
    or cardinality(everyone) > edge_sockets.max_page()
  then
    perform edge_sockets.value_of(edge_sockets.refusal('bad_request'));
  elsif not (select coalesce(bool_and(edge_sockets.user_exists(u)), true) from unnest(everyone) u) then
    perform edge_sockets.value_of(edge_sockets.refusal('not_found'));
  elsif not edge_sockets.is_server() and edge_sockets.owns_too_many(edge_sockets.require_user()) then
    perform edge_sockets.value_of(edge_sockets.refusal('unprocessable'));
  end if;
  -- A taken id is refused by the primary key.
  insert into public.rooms (id, kind, name) values (create_room.id, create_room.kind, create_room.name);
  insert into public.room_members (room_id, user_id, role)
    select create_room.id, u.id, case when min(u.place) = 1 then 'owner' else 'member' end
    from unnest(everyone) with ordinality as u (id, place) group by u.id order by min(u.place);
  select * into created from public.rooms r where r.id = create_room.id;
  return created;
end $$;

-- What the caller is in a room whose members he wants to change; raises where he may not. Locks the room.
create function edge_sockets.require_moderator(room text) returns text
language plpgsql set search_path = '' as $$
declare
  r public.rooms;
  caller_role text;
begin
  select * into r from public.rooms where id = require_moderator.room for no key update;
  if edge_sockets.is_server() then
    caller_role := 'owner';
  else
    select rm.role into caller_role from public.room_members rm
      where rm.room_id = r.id and rm.user_id = edge_sockets.require_user();
  end if;
  if r.id is null or (caller_role is null and r.kind <> 'public') then
    perform edge_sockets.value_of(edge_sockets.refusal('room_not_found'));
  elsif r.kind = 'dm' or caller_role is null then
    perform edge_sockets.value_of(edge_sockets.refusal('forbidden'));
  end if;
  return caller_role;
end $$;

-- Adds a member or changes the role of one. Moderators add members; owners give roles.
create function public.add_member(room text, user_id uuid, role text default 'member') returns void
language plpgsql security definer set search_path = '' as $$
declare
  caller_role constant text := edge_sockets.require_moderator(add_member.room);
  present_role text;
begin
  select rm.role into present_role from public.room_members rm
    where rm.room_id = add_member.room and rm.user_id = add_member.user_id;
  if add_member.role is null or add_member.role not in ('owner', 'moderator', 'member') then
    perform edge_sockets.value_of(edge_sockets.refusal('bad_request'));
  elsif caller_role = 'member'
    or (caller_role = 'moderator' and (add_member.role <> 'member' or coalesce(present_role, 'member') <> 'member'))
  then
    perform edge_sockets.value_of(edge_sockets.refusal('forbidden'));
  elsif not edge_sockets.user_exists(add_member.user_id) then
    perform edge_sockets.value_of(edge_sockets.refusal('not_found'));
  end if;
  insert into public.room_members as rm (room_id, user_id, role)
    values (add_member.room, add_member.user_id, add_member.role)
    on conflict on constraint room_members_pkey do update set role = excluded.role where rm.role <> excluded.role;
end $$;

-- Ends a membership: one's own, or as moderator a member's, or as owner anyone's.
create function public.remove_member(room text, user_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
  caller_role constant text := edge_sockets.require_moderator(remove_member.room);
  present_role text;
begin
  select rm.role into present_role from public.room_members rm
    where rm.room_id = remove_member.room and rm.user_id = remove_member.user_id;
  if remove_member.user_id is distinct from edge_sockets.user_id()
    and (caller_role = 'member' or (caller_role = 'moderator' and present_role <> 'member'))
  then
    perform edge_sockets.value_of(edge_sockets.refusal('forbidden'));
  end if;
  delete from public.room_members rm where rm.room_id = remove_member.room and rm.user_id = remove_member.user_id;
end $$;

-- Sends a message as the caller, and gives it as it is stored; with the client_id of an earlier one, that one.
create function public.send_message(
  room text, body text, client_id text default null, subject text default null, reply_to uuid default null,
  data jsonb default null
) returns public.messages
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := edge_sockets.require_user();
  profile constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb -> 'user_metadata';
  answer json;
  sent public.messages;
begin
  answer := edge_sockets.post(jsonb_build_array(jsonb_build_object(
    'kind', 'message',
    'actor', jsonb_build_object('id', caller, 'name', left(coalesce(
      nullif(profile ->> 'name', ''), nullif(profile ->> 'full_name', ''), nullif(profile ->> 'user_name', '')), 256)),
    'room', send_message.room, 'body', send_message.body, 'client_id', send_message.client_id,
    'subject', send_message.subject, 'reply_to', send_message.reply_to, 'data', send_message.data
  ))) -> 0;
  select * into sent from public.messages m where m.id = (edge_sockets.value_of(answer) ->> 'id')::uuid;
  return sent;
end $$;

-- Says that the caller has read a room up to `seq`, and gives what is unread after it.
create function public.mark_read(room text, seq bigint) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := edge_sockets.require_user();
  newest uuid;
  member public.room_members;
begin
  perform edge_sockets.value_of(edge_sockets.unread(caller, mark_read.room));
  select m.id into newest from public.messages m
    where m.room_id = mark_read.room and m.seq <= mark_read.seq order by m.seq desc limit 1;
  if newest is not null then
    perform edge_sockets.value_of(edge_sockets.post(jsonb_build_array(jsonb_build_object(
      'kind', 'read', 'actor', jsonb_build_object('id', caller), 'message_id', newest))) -> 0);
  end if;
  select * into member from public.room_members rm where rm.room_id = mark_read.room and rm.user_id = caller;
  return edge_sockets.unread_in(member);
end $$;

-- How many messages of others the caller has not read, in each room he is a member of.
create function public.unread_counts() returns table (room text, count bigint)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  return query select rm.room_id, edge_sockets.unread_in(rm) from public.room_members rm
    where rm.user_id = edge_sockets.require_user() order by rm.room_id;
end $$;

-- The room of the caller and another user, made when needed: its id.
create function public.open_direct(user_id uuid) returns text
language plpgsql security definer set search_path = '' as $$
begin
  return edge_sockets.value_of(edge_sockets.open_direct(edge_sockets.require_user(), open_direct.user_id)) ->> 'room';
end $$;

--
-- Who sees what. Row level security holds by itself, whatever is granted. It is not forced on the tables' owner: the
-- functions above run as the owner, who bypasses it on a hosted project in any case.
--

-- The rooms of the caller. Runs as its owner, as the policy of room_members uses it.
create function edge_sockets.own_rooms() returns setof text
language sql stable security definer set search_path = '' as $$
  select rm.room_id from public.room_members rm where rm.user_id = edge_sockets.user_id()
$$;

alter table public.rooms enable row level security;
alter table public.room_members enable row level security;
alter table public.messages enable row level security;
alter table public.reactions enable row level security;
alter table public.room_events enable row level security;
alter table edge_sockets.message_rates enable row level security;

create policy "rooms: public ones, and one's own" on public.rooms for select to authenticated
  using (kind = 'public' or id in (select edge_sockets.own_rooms()));
create policy "room_members: of one's own rooms" on public.room_members for select to authenticated
  using (user_id = (select edge_sockets.user_id()) or room_id in (select edge_sockets.own_rooms()));
create policy "messages: of rooms one may see" on public.messages for select to authenticated
  using (exists (select from public.rooms r where r.id = room_id));
create policy "reactions: of messages one may see" on public.reactions for select to authenticated
  using (exists (select from public.messages m where m.id = message_id));

-- Grants, one by one. A hosted project gives everything in public to everyone by default.
revoke all on public.rooms, public.room_members, public.messages, public.reactions, public.room_events
  from public, anon, authenticated, service_role;
revoke all on edge_sockets.message_rates from public, anon, authenticated, service_role;
grant select on public.rooms to authenticated;
grant select on public.room_members to authenticated;
grant select on public.messages to authenticated;
grant select on public.reactions to authenticated;
grant select, insert, update, delete on public.rooms to service_role;
grant select, insert, update, delete on public.room_members to service_role;
grant select, insert, update, delete on public.messages to service_role;
grant select, insert, update, delete on public.reactions to service_role;
grant select on public.room_events to service_role;

revoke all on all functions in schema edge_sockets from public, anon, authenticated, service_role;
-- Called by the policies.
grant execute on function edge_sockets.user_id() to authenticated;
grant execute on function edge_sockets.own_rooms() to authenticated;
-- Called by defaults and constraints of messages.
grant execute on function edge_sockets.new_id() to service_role;
grant execute on function edge_sockets.max_body_length() to service_role;
grant execute on function edge_sockets.max_data_bytes() to service_role;

revoke all on function public.chat_post(jsonb) from public, anon, authenticated, service_role;
revoke all on function public.chat_join(uuid, text, boolean) from public, anon, authenticated, service_role;
revoke all on function public.chat_open_direct(uuid, uuid) from public, anon, authenticated, service_role;
revoke all on function public.chat_events_since(text, bigint, integer) from public, anon, authenticated, service_role;
revoke all on function public.chat_heads(text[], uuid[]) from public, anon, authenticated, service_role;
revoke all on function public.chat_history(uuid, text, bigint, integer) from public, anon, authenticated, service_role;
revoke all on function public.chat_unread(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.trim_room_log(text, bigint) from public, anon, authenticated, service_role;
revoke all on function public.create_room(text, text, text, uuid[]) from public, anon, authenticated, service_role;
revoke all on function public.add_member(text, uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.remove_member(text, uuid) from public, anon, authenticated, service_role;
revoke all on function public.send_message(text, text, text, text, uuid, jsonb)
  from public, anon, authenticated, service_role;
revoke all on function public.mark_read(text, bigint) from public, anon, authenticated, service_role;
revoke all on function public.unread_counts() from public, anon, authenticated, service_role;
revoke all on function public.open_direct(uuid) from public, anon, authenticated, service_role;

grant execute on function public.chat_post(jsonb) to service_role;
grant execute on function public.chat_join(uuid, text, boolean) to service_role;
grant execute on function public.chat_open_direct(uuid, uuid) to service_role;
grant execute on function public.chat_events_since(text, bigint, integer) to service_role;
grant execute on function public.chat_heads(text[], uuid[]) to service_role;
grant execute on function public.chat_history(uuid, text, bigint, integer) to service_role;
grant execute on function public.chat_unread(uuid, text) to service_role;
grant execute on function public.trim_room_log(text, bigint) to service_role;
grant execute on function public.create_room(text, text, text, uuid[]) to authenticated, service_role;
grant execute on function public.add_member(text, uuid, text) to authenticated, service_role;
grant execute on function public.remove_member(text, uuid) to authenticated, service_role;
grant execute on function public.send_message(text, text, text, text, uuid, jsonb) to authenticated;
grant execute on function public.mark_read(text, bigint) to authenticated;
grant execute on function public.unread_counts() to authenticated;
grant execute on function public.open_direct(uuid) to authenticated;
