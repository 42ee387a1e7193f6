#include "pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace rnn2vec {
namespace {

class Pool {
 public:
  std::mutex busy;  // held by the caller that is being served

  void run(int threads, std::int64_t tasks, const std::function<void(std::int64_t)>& action, bool backwards) {
    {
      std::lock_guard lock(mutex_);
      action_ = &action;
      backwards_ = backwards;
      error_ = nullptr;
      shares_ = std::vector<Share>(threads);
      for (int share = 0; share < threads; ++share) {
        shares_[share].next = shares_[share].first = tasks * share / threads;
        shares_[share].end = tasks * (share + 1) / threads;
      }
      for (; started_ < threads; ++started_) std::thread([this, own = started_] { serve(own); }).detach();
      open_ = true;
      ++calls_;
    }
    wake_.notify_all();
    drain(0);
    stay_awake([this] { return working_ == 0; });
    std::unique_lock lock(mutex_);
    open_ = false;  // a thread that wakes up only now has nothing left to do
    done_.wait(lock, [this] { return working_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // Each thread begins with its own share, the same models in every call, and then helps with those of the others.
  struct alignas(64) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t first = 0, end = 0;
  };

  void serve(int own) {
    std::uint64_t served = 0;
    for (;;) {
      stay_awake([&] { return calls_ != served; });
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return calls_ != served; });
      served = calls_;
      if (!open_ || own >= static_cast<int>(shares_.size())) continue;
      ++working_;
      lock.unlock();
      drain(own);
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }

  // Calls often follow each other closely, and waking a sleeping thread takes longer than a short call. Whoever else
  // wants the core meanwhile gets it, so that nothing waits for one who waits.
  template <class Condition>
  static void stay_awake(const Condition& condition) {
    const auto patience = std::chrono::steady_clock::now() + patience_;
    while (!condition() && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  }

  void drain(int own) {
    const std::size_t count = shares_.size();
    try {
      for (std::size_t other = 0; other < count; ++other) {
        Share& share = shares_[(own + other) % count];
        for (std::int64_t task; (task = share.next++) < share.end;)
          (*action_)(backwards_ ? share.first + share.end - 1 - task : task);
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      for (Share& share : shares_) share.next = share.end;
    }
  }

  static constexpr std::chrono::microseconds patience_{100};
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<std::uint64_t> calls_{0};
  std::vector<Share> shares_;
  const std::function<void(std::int64_t)>* action_ = nullptr;
  std::exception_ptr error_;
  bool open_ = false, backwards_ = false;
  std::atomic<int> working_{0};
  int started_ = 1;  // the caller is number 0
};

// Never destroyed: its threads sleep until the process ends. A forked child has none of them and starts its own.
std::atomic<Pool*> shared{nullptr};

Pool& pool() {
  static std::mutex first;
  if (Pool* present = shared) return *present;
  std::lock_guard lock(first);
  if (!shared) {
#ifndef _WIN32
    static const int registered = pthread_atfork(nullptr, nullptr, [] { shared = nullptr; });
    (void)registered;
#endif
    shared = new Pool;
  }
  return *shared;
}

}  // namespace

void run_tasks(int threads, std::int64_t tasks, const std::function<void(std::int64_t)>& action, bool backwards) {
  threads = static_cast<int>(std::min<std::int64_t>(threads, tasks));
  if (threads > 1) {
    Pool& own = pool();
    std::unique_lock turn(own.busy, std::try_to_lock);
    if (turn) return own.run(threads, tasks, action, backwards);
  }
  // alone, or the pool serves another thread
  for (std::int64_t task = 0; task < tasks; ++task) action(backwards ? tasks - 1 - task : task);
}

}  // namespace rnn2vec
