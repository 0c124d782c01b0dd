//! An I2C adapter for a guest (virtio-i2c over vhost-user), with the emulated board's INA231 on it.
//!
//! The guest's own drivers find them as they would on a board. [Virtual I/O Device specification
//! 1.2, section 5.16; vhost-user protocol]
//!
//! QEMU gives the device a queue of four descriptors, of which a register read takes five: so
//! indirect descriptors are offered, without which the driver waits forever.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VhostUserDaemon, VringRwLock, VringT};
use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
use virtio_bindings::virtio_ring::VIRTIO_RING_F_INDIRECT_DESC;
use virtio_queue::QueueOwnedT;
use vm_memory::{
    Bytes, GuestAddress, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryLoadGuard,
    GuestMemoryMmap,
};
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{
    EventConsumer, EventFlag, EventNotifier, new_event_consumer_and_notifier,
};
use wattline_board::emulated::EmulatedBoard;

/// Requests without data are understood. [section 5.16.3]
const ZERO_LENGTH_REQUEST: u64 = 1 << 0;
/// The flag of a request that reads. [section 5.16.6]
const READ: u32 = 1 << 1;
/// The flag of every request of a transfer but the last: if it fails, so does the next.
/// [section 5.16.6]
const FAIL_NEXT: u32 = 1 << 0;
/// The status of a request. [section 5.16.6]
const OK: u8 = 0;
const ERROR: u8 = 1;
/// What QEMU gives the queue.
const QUEUE_SIZE: usize = 4;

/// The chips on the bus.
#[derive(Debug)]
pub struct Bus {
    board: Arc<EmulatedBoard>,
    /// The register each chip was last pointed at, by address.
    pointers: Mutex<HashMap<u16, u8>>,
    silent: Mutex<HashSet<u16>>,
    /// A request of the transfer failed that was not the last.
    failing: AtomicBool,
    transfers: AtomicU64,
}

impl Bus {
    /// The bus of a board's sensors.
    pub fn new(board: Arc<EmulatedBoard>) -> Self {
        Bus {
            board,
            pointers: Mutex::default(),
            silent: Mutex::default(),
            failing: AtomicBool::new(false),
            transfers: AtomicU64::new(0),
        }
    }

    /// From now on a chip acknowledges nothing; its driver sees EIO.
    pub fn silence(&self, address: u16) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(address);
    }

    /// Transfers that were acknowledged.
    pub fn transfers(&self) -> u64 {
        self.transfers.load(Ordering::Relaxed)
    }

    /// Writes to a chip; whether it was acknowledged. The first byte points at a register, two more
    /// are its new value, most significant first. [TI INA231 data sheet, 8.5.3]
    fn write(&self, address: u16, bytes: &[u8]) -> bool {
        if !self.answers(address) {
            return false;
        }
        if let Some(&register) = bytes.first() {
            self.pointers.lock().unwrap_or_else(PoisonError::into_inner).insert(address, register);
        }
        if let [register, high, low, ..] = *bytes {
            let value = u16::from_be_bytes([high, low]);
            self.board.write_sensor(address, register, value);
        }
        true
    }

    /// Reads the register that a chip points at; whether it was acknowledged. Beyond two bytes
    /// nobody drives the bus.
    fn read(&self, address: u16, bytes: &mut [u8]) -> bool {
        if !self.answers(address) {
            return false;
        }
        let pointers = self.pointers.lock().unwrap_or_else(PoisonError::into_inner);
        let register = pointers.get(&address).copied().unwrap_or_default();
        drop(pointers);
        let value = self.board.read_sensor(address, register).unwrap_or(u16::MAX);
        let driven = value.to_be_bytes().into_iter().chain(std::iter::repeat(u8::MAX));
        bytes.iter_mut().zip(driven).for_each(|(byte, driven)| *byte = driven);
        true
    }

    fn answers(&self, address: u16) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = !silent.contains(&address)
            && self.board.description().rails.iter().any(|it| it.i2c_address == address);
        self.transfers.fetch_add(u64::from(answers), Ordering::Relaxed);
        answers
    }
}

/// A descriptor: where, how long, and whether it is for us to write.
type Buffer = (GuestAddress, u32, bool);

/// Serves one request: a header, what to write or room for what is read, and room for the status.
/// Answers how many bytes were written. A request of another shape writes none.
fn serve_request(bus: &Bus, memory: &GuestMemoryMmap, buffers: &[Buffer]) -> u32 {
    let [(header, _, false), data @ .., (status, 1.., true)] = buffers else { return 0 };
    let mut request = [0; 8];
    if memory.read_slice(&mut request, *header).is_err() {
        return 0;
    }
    let [low, high, _, _, flags @ ..] = request;
    // Seven bits, above the one that would say read or write on the wire.
    let address = u16::from_le_bytes([low, high]) >> 1;
    let flags = u32::from_le_bytes(flags);
    let reads = flags & READ != 0;
    let mut written = 0;
    let done = match data {
        [] => bus.write(address, &[]),
        [(at, length, true)] if reads => {
            let mut bytes = vec![0; *length as usize];
            written = *length;
            bus.read(address, &mut bytes) && memory.write_slice(&bytes, *at).is_ok()
        }
        [(at, length, false)] if !reads => {
            let mut bytes = vec![0; *length as usize];
            memory.read_slice(&mut bytes, *at).is_ok() && bus.write(address, &bytes)
        }
        _ => false,
    };
    // A transfer that fails is told of at its last request. Linux' driver (6.12) awaits none after one
    // that failed and frees them all, and its interrupt then completes what is no more: a guest's
    // processor waited for ever for a lock in that memory.
    let done = !bus.failing.swap(false, Ordering::Relaxed) && done;
    let goes_on = flags & FAIL_NEXT != 0;
    bus.failing.store(goes_on && !done, Ordering::Relaxed);
    match memory.write_obj(if done || goes_on { OK } else { ERROR }, *status) {
        Ok(()) => written + 1,
        Err(_) => 0,
    }
}

/// The device, as the vhost-user daemon calls it.
struct Adapter {
    bus: Arc<Bus>,
    memory: GuestMemoryAtomic<GuestMemoryMmap>,
    exit: (EventConsumer, EventNotifier),
}

impl Adapter {
    fn serve_queue(&self, vring: &VringRwLock) -> io::Result<()> {
        let memory = self.memory.memory();
        let chains: Vec<_> = vring
            .get_mut()
            .get_queue_mut()
            .iter(GuestMemoryLoadGuard::clone(&memory))
            .map_err(io::Error::other)?
            .collect();
        if chains.is_empty() {
            return Ok(());
        }
        for chain in chains {
            let head = chain.head_index();
            let buffers: Vec<Buffer> =
                chain.map(|it| (it.addr(), it.len(), it.is_write_only())).collect();
            let written = serve_request(&self.bus, &memory, &buffers);
            vring.add_used(head, written).map_err(io::Error::other)?;
        }
        vring.signal_used_queue()
    }
}

impl VhostUserBackend for Adapter {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        1
    }

    fn max_queue_size(&self) -> usize {
        QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        1 << VIRTIO_F_VERSION_1
            | 1 << VIRTIO_RING_F_INDIRECT_DESC
            | ZERO_LENGTH_REQUEST
            | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::empty()
    }

    fn set_event_idx(&self, _enabled: bool) {}

    fn update_memory(&self, _memory: GuestMemoryAtomic<GuestMemoryMmap>) -> io::Result<()> {
        // The daemon changes what our own handle refers to.
        Ok(())
    }

    fn exit_event(&self, _thread: usize) -> Option<(EventConsumer, EventNotifier)> {
        Some((self.exit.0.try_clone().ok()?, self.exit.1.try_clone().ok()?))
    }

    fn handle_event(
        &self,
        _queue: u16,
        _events: EventSet,
        vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        self.serve_queue(&vrings[0])
    }
}

/// Serves a bus to the one virtual machine that connects to `socket`, until it hangs up. Returns
/// when it can connect.
///
/// # Errors
/// If the socket cannot be made.
pub fn serve(bus: Arc<Bus>, socket: &Path) -> io::Result<JoinHandle<()>> {
    let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
    let exit = new_event_consumer_and_notifier(EventFlag::NONBLOCK)?;
    let adapter = Arc::new(Adapter { bus, memory: memory.clone(), exit });
    let mut daemon = VhostUserDaemon::new("i2c".into(), adapter, memory)
        .map_err(|error| io::Error::other(error.to_string()))?;
    let path = socket.to_owned();
    let served = std::thread::Builder::new().name("i2c-server".into()).spawn(move || {
        if let Err(error) = daemon.serve(&path) {
            eprintln!("the I2C adapter at {}: {error}", path.display());
        }
    })?;
    while !socket.exists() && !served.is_finished() {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(served)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wattline_board::description::Description;
    use wattline_trace::ClockKind;

    const MEMORY: u64 = 0x1000;
    const HEADER: GuestAddress = GuestAddress(0x100);
    const DATA: GuestAddress = GuestAddress(0x200);
    const STATUS: GuestAddress = GuestAddress(0x300);

    fn bus() -> Bus {
        let board = Description::load("exynos5422").unwrap();
        Bus::new(Arc::new(EmulatedBoard::start(board, ClockKind::Wall, 1).unwrap()))
    }

    fn memory() -> GuestMemoryMmap {
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY as usize)]).unwrap()
    }

    /// A request as Linux' driver makes it; the status and the bytes used.
    fn request(
        bus: &Bus,
        memory: &GuestMemoryMmap,
        address: u16,
        flags: u32,
        data: Option<Buffer>,
    ) -> (u8, u32) {
        memory.write_obj(u32::from(address << 1).to_le(), HEADER).unwrap();
        memory.write_obj(flags.to_le(), GuestAddress(HEADER.0 + 4)).unwrap();
        memory.write_obj(0xee_u8, STATUS).unwrap();
        let buffers: Vec<Buffer> = [Some((HEADER, 8, false)), data, Some((STATUS, 1, true))]
            .into_iter()
            .flatten()
            .collect();
        let used = serve_request(bus, memory, &buffers);
        (memory.read_obj(STATUS).unwrap(), used)
    }

    #[test]
    fn a_register_is_written_and_read_most_significant_byte_first() {
        let (bus, memory) = (bus(), memory());
        memory.write_slice(&[0, 0x47, 0x27], DATA).unwrap();
        let wrote = request(&bus, &memory, 0x41, 0, Some((DATA, 3, false)));
        assert_eq!(wrote, (OK, 1));
        memory.write_slice(&[0], DATA).unwrap();
        assert_eq!(request(&bus, &memory, 0x41, FAIL_NEXT, Some((DATA, 1, false))), (OK, 1));
        let read = request(&bus, &memory, 0x41, READ, Some((DATA, 4, true)));
        assert_eq!(read, (OK, 5));
        assert_eq!(memory.read_obj::<[u8; 4]>(DATA).unwrap(), [0x47, 0x27, 0xff, 0xff]);
        // Sixty-four averages: what its files show, too.
        let hwmon = bus.board.roots().sysfs.join("class/hwmon/hwmon1/update_interval");
        assert_eq!(std::fs::read_to_string(hwmon).unwrap().trim(), "141");
    }

    #[test]
    fn who_is_not_there_or_silent_acknowledges_nothing() {
        let (bus, memory) = (bus(), memory());
        assert_eq!(request(&bus, &memory, 0x40, 0, None), (OK, 1));
        assert_eq!(request(&bus, &memory, 0x42, 0, None), (ERROR, 1));
        assert_eq!(bus.transfers(), 1);
        bus.silence(0x40);
        let read = request(&bus, &memory, 0x40, READ, Some((DATA, 2, true)));
        assert_eq!(read.0, ERROR);
        assert_eq!(request(&bus, &memory, 0x45, 0, None), (OK, 1));
    }

    #[test]
    fn a_transfer_that_fails_is_told_of_at_its_last_request() {
        let (bus, memory) = (bus(), memory());
        memory.write_slice(&[0], DATA).unwrap();
        // The second alone would succeed.
        for (address, last) in [(0x42, ERROR), (0x40, OK)] {
            let first = request(&bus, &memory, address, FAIL_NEXT, Some((DATA, 1, false)));
            assert_eq!(first, (OK, 1));
            let read = request(&bus, &memory, 0x40, READ, Some((DATA, 2, true)));
            assert_eq!(read, (last, 3), "{address:#x}");
        }
    }

    #[test]
    fn a_request_of_another_shape_is_refused() {
        let (bus, memory) = (bus(), memory());
        // Reads into what is for the device to read; reads from beyond the memory.
        assert_eq!(request(&bus, &memory, 0x40, READ, Some((DATA, 2, false))), (ERROR, 1));
        let outside = (GuestAddress(2 * MEMORY), 2, false);
        assert_eq!(request(&bus, &memory, 0x40, 0, Some(outside)), (ERROR, 1));
        assert_eq!(serve_request(&bus, &memory, &[(HEADER, 8, false)]), 0);
        assert_eq!(serve_request(&bus, &memory, &[]), 0);
    }
}
