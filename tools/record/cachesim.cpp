// What the recorded compiler run compiles: misses of FIFO and second chance for page numbers read from standard input.
#include <cstdio>
#include <map>
#include <string>

#include <vector>

class SecondChance {
  public:
    SecondChance(std::size_t capacity, bool chance) : capacity_(capacity), chance_(chance) {}
    bool reference(long page) {
        auto found = slot_.find(page);
        if (found != slot_.end()) {
            frames_[found->second].young = chance_;
            return true;
        }
        if (frames_.size() < capacity_) {
            slot_[page] = frames_.size();
            frames_.push_back({page, false});
            return false;
        }
        while (frames_[hand_].young) {
            frames_[hand_].young = false;
            hand_ = (hand_ + 1) % capacity_;
        }
        slot_.erase(frames_[hand_].page);
        slot_[page] = hand_;
        frames_[hand_] = {page, false};
        hand_ = (hand_ + 1) % capacity_;
        return false;
    }

  private:
    struct Frame {
        long page;
        bool young;
    };
    std::size_t capacity_;
    bool chance_;
    std::size_t hand_ = 0;
    std::vector<Frame> frames_;
    std::map<long, std::size_t> slot_;
};

int main() {
    std::vector<long> pages;
    std::map<long, int> counts;
    for (long page; std::scanf("%ld", &page) == 1; counts[page]++) pages.push_back(page);
    const std::size_t capacity = counts.size() / 2 + 1;
    for (bool chance : {false, true}) {
        SecondChance cache(capacity, chance);
        std::size_t misses = 0;
        for (long page : pages) misses += !cache.reference(page);
        const std::string name = chance ? "second chance" : "fifo";
        std::printf("%s %zu of %zu\n", name.c_str(), misses, pages.size());
    }
}
