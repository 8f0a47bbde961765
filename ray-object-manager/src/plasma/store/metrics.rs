//! What a store counts, as Prometheus and OpenMetrics read it. Nothing is counted for this: it shows what the
//! store counts anyway, when it is asked.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::core::StoreSnapshot;

/// One snapshot as metrics.
#[derive(Debug)]
struct Metrics(StoreSnapshot);

/// The metrics of a snapshot in the OpenMetrics text format. The names of what Ray records are Ray's:
/// `ray_object_store_memory` by `Location` and `ObjectState`, in bytes.
///
/// # Errors
/// When the text cannot be made, which has no known cause.
pub fn render(snapshot: StoreSnapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(snapshot)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = &self.0;
        self.memory_by_location(&mut encoder)?;
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: i64| {
            let metric = ConstGauge::new(value);
            let encoder = encoder.encode_descriptor(name, help, unit, metric.metric_type())?;
            metric.encode(encoder)
        };
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let stats = &now.stats;
        let bytes = Some(&Unit::Bytes);
        gauge("plasma_capacity", "Size of the primary region", bytes, now.capacity)?;
        gauge("plasma_allocated", "Live allocations", bytes, now.allocated)?;
        gauge(
            "plasma_fallback_allocated",
            "Live allocations in files of their own",
            bytes,
            now.fallback_allocated,
        )?;
        gauge("plasma_in_use", "Objects with references", bytes, stats.in_use.bytes)?;
        gauge("plasma_unsealed", "Objects that are being written", bytes, stats.unsealed.bytes)?;
        gauge("plasma_evictable", "Objects that nobody uses", bytes, stats.evictable.bytes)?;
        gauge(
            "plasma_spillable",
            "Objects that only their owner's pin uses",
            bytes,
            stats.spillable.bytes,
        )?;
        gauge("plasma_objects", "Objects", None, count(now.objects))?;
        gauge("plasma_clients", "Connections", None, count(now.clients))?;
        gauge(
            "plasma_references",
            "References of clients to objects",
            None,
            count(now.references),
        )?;
        gauge(
            "plasma_pending_creates",
            "Creations that wait for space",
            None,
            count(now.pending_creates),
        )?;
        gauge("plasma_pending_gets", "Gets that wait for objects", None, count(now.pending_gets))?;
        let pending = i64::try_from(now.pending_create_bytes).unwrap_or(i64::MAX);
        gauge("plasma_pending_create", "What creations that wait ask for", bytes, pending)?;
        self.counters(&mut encoder)
    }
}

impl Metrics {
    fn memory_by_location(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new(0_i64);
        let help = "Object store memory by location and state, in bytes";
        let kind = gauge.metric_type();
        let mut family = encoder.encode_descriptor("ray_object_store_memory", help, None, kind)?;
        for (fallback, location) in [(false, "MMAP_SHM"), (true, "MMAP_DISK")] {
            for (sealed, state) in [(true, "SEALED"), (false, "UNSEALED")] {
                let labels = [("Location", location), ("ObjectState", state)];
                let value = ConstGauge::new(self.0.stats.bytes_at(fallback, sealed));
                value.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn counters(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counters = &self.0.counters;
        let mut counter = |name: &str, help: &str, value: u64| {
            let metric = ConstCounter::new(value);
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)
        };
        counter("plasma_create_requests", "Creations asked for", counters.creates)?;
        counter(
            "plasma_creations_set_aside",
            "Objects created in space set aside for them",
            counters.creates_set_aside,
        )?;
        counter("plasma_seal_requests", "Seals asked for", counters.seals)?;
        counter("plasma_abort_requests", "Aborts asked for", counters.aborts)?;
        counter("plasma_get_requests", "Gets asked for", counters.gets)?;
        counter("plasma_get_hits", "Objects that gets found at once", counters.get_hits)?;
        counter(
            "plasma_get_misses",
            "Objects that gets did not find at once",
            counters.get_misses,
        )?;
        counter("plasma_release_requests", "Releases asked for", counters.releases)?;
        counter("plasma_delete_requests", "Deletions asked for", counters.deletes)?;
        counter(
            "plasma_contains_requests",
            "Questions whether an object is there",
            counters.contains,
        )?;
        counter(
            "plasma_objects_gone",
            "Objects that were evicted or deleted",
            counters.objects_gone,
        )?;
        counter(
            "plasma_clients_expelled",
            "Connections ended for a client's mistake",
            counters.clients_expelled,
        )?;
        let created = u64::try_from(self.0.stats.created_total.objects).unwrap_or(0);
        counter("plasma_objects_created", "Objects ever created", created)
    }
}
