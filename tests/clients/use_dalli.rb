#!/usr/bin/ruby
# dalli.  usage: use_dalli.rb HOST PORT WORKLOAD binary|meta
require 'dalli'
require 'json'

PATIENCE = 20
host, port, workload, protocol = ARGV
OPTIONS = { socket_timeout: PATIENCE, compress: false, threadsafe: true }
OPTIONS[:protocol] = :meta if protocol == 'meta'
Dalli.logger.level = Logger::WARN
connect = ->(options = {}) { Dalli::Client.new("#{host}:#{port}", OPTIONS.merge(options)) }

def same(what, got, expected)
  return if got == expected

  warn "#{what}: got #{got.inspect[0, 200]}, expected #{expected.inspect[0, 200]}"
  exit 1
end

def gone(what)
  limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
  until yield.nil?
    same("#{what} is gone", false, true) if Process.clock_gettime(Process::CLOCK_MONOTONIC) > limit
    sleep 0.02
  end
end

RAW = { raw: true }.freeze

# One connection, asked as workload.py says.
class Adapter
  def initialize(client)
    @c = client
    @versions = {}
  end

  def play(operation, key, argument)
    case operation
    when 'set', 'add', 'replace' then yes?(@c.send(operation, key, argument, nil, RAW))
    when 'append', 'prepend' then @c.send(operation, key, argument) ? true : false
    when 'get' then @c.get(key)
    when 'get_many' then @c.get_multi(*key)
    when 'gets' then gets(key)
    when 'cas' then @c.set_cas(key, argument, @versions.delete(key), nil, RAW)
    when 'incr', 'decr' then @c.send(operation, key, argument)
    when 'touch' then @c.touch(key, argument) ? true : false
    when 'delete' then @c.delete(key) ? true : false
    end
  end

  # A miss may come as version 0.
  def yes?(got)
    got && got != 0 ? true : false
  end

  # A miss is kept apart from an empty value: get_cas says nothing of it but a version that is none.
  def gets(key)
    value, version = @c.get_cas(key)
    @versions[key] = version if version && version != 0
    value
  end
end

# What dalli tells of a cas: the new version, nil or 0 for a miss, false for another version.
CAS = { 'stored' => ->(got) { got && got != 0 }, 'exists' => ->(got) { !got }, 'missing' => ->(got) { !got || got.zero? } }.freeze

connections = JSON.parse(File.read(workload))
threads = connections.map do |steps|
  Thread.new do
    adapter = Adapter.new(connect.call)
    steps.each_with_index do |(operation, key, argument, answer), number|
      got = adapter.play(operation, key, argument)
      what = "step #{number}: #{operation} #{key}"
      operation == 'cas' ? same("#{what} #{answer}: #{got.inspect}", CAS[answer].call(got), true) : same(what, got, answer)
    end
  end
end
threads.each { |thread| thread.abort_on_exception = true }.each(&:join)
puts "#{connections.sum(&:size)} operations on #{connections.size} connections at once"

c = connect.call
bytes = (0..255).map(&:chr).join.b
big = bytes * 3600
same('set of 900 KB', c.set('big', big, nil, RAW) ? true : false, true)
same('900 KB', c.get('big').b == big, true)
c.set('bytes', "\0\r\nEND\r\n\xff".b)
same('binary value', c.get('bytes'), "\0\r\nEND\r\n\xff".b)
thing = { 'list' => [1, 2.5, nil], :symbol => 'grüß', 'range' => (1..3) }
c.set('thing', thing)
same('marshalled', c.get('thing'), thing)
squeezed = connect.call(compress: true)
squeezed.set('long', 'z' * 100_000)
same('compressed', squeezed.get('long'), 'z' * 100_000)
# Quiet requests: nothing is heard of them, and the next answer is the right one.
c.multi { 300.times { |i| c.set("m#{i}", i) } }
same('quiet sets', c.get_multi((0..300).map { |i| "m#{i}" }), (0...300).to_h { |i| ["m#{i}", i] })
c.multi { 300.times { |i| c.delete("m#{i}") if i != 7 } }
same('quiet deletes', c.get_multi((0..300).map { |i| "m#{i}" }), { 'm7' => 7 })
same('incr with an initial value', [c.incr('count', 5, 100, 10), c.incr('count', 5), c.decr('count', 1)], [10, 15, 14])
same('cas', c.cas('m7') { |value| value + 1 } ? c.get('m7') : nil, 8)
same('cas of a miss', c.cas('none') { |value| value }, nil)
same('fetch', [c.fetch('fetched') { 'made' }, c.fetch('fetched') { 'again' }], %w[made made])
same('gat', [c.gat('m7', 1000), c.gat('none', 1000)], [8, nil])
odd = connect.call(namespace: 'grüß')
odd.set("k\u00e4se key", 'odd')
same('key that is no word', odd.get("k\u00e4se key"), 'odd')
c.set('short', 's', 2)
same('set for 2 s', c.get('short'), 's')
gone('short') { c.get('short') }
c.set('touched', 't')
same('touch for 2 s', c.touch('touched', 2) && c.get('touched'), 't')
gone('touched') { c.get('touched') }
same('version', c.version.values.first.start_with?('1.'), true)
same('stats', c.stats.values.first['cmd_set'].to_i >= 500, true)
same('flush', c.flush.all?, true)
same('after flush', c.get_multi('big', 'm7', 'thing'), {})
c.set('after', 'a')
same('set after flush', c.get('after'), 'a')
c.close
puts 'all as expected'
