//===- IOTestSupport.h - Folders and files for tests ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_IO_IOTESTSUPPORT_H
#define NORMA_UNITTESTS_IO_IOTESTSUPPORT_H

#include "norma/Support/Error.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <vector>

namespace norma::io::test {

/// A fresh folder that goes with its test.
class FolderTest : public testing::Test {
protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/norma-io-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string in(const std::string &name) const { return folder + "/" + name; }

  /// The names in the folder, hidden ones too.
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
      names.push_back(entry.path().filename().string());
    return names;
  }

  static std::string slurp(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static void spill(const std::string &path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), std::streamsize(bytes.size()));
  }

  static mode_t modeOf(const std::string &path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  std::string folder;
};

/// Files of this process end at `bytes` while one of these lives, as if the disk
/// were full.
class FileSizeLimit {
public:
  explicit FileSizeLimit(rlim_t bytes) : oldHandler(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &oldLimit);
    const rlimit limit = {bytes, oldLimit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit &) = delete;
  FileSizeLimit &operator=(const FileSizeLimit &) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &oldLimit);
    std::signal(SIGXFSZ, oldHandler);
  }

private:
  rlimit oldLimit = {};
  void (*oldHandler)(int);
};

template <typename T>
testing::AssertionResult succeeded(const Expected<T> &result) {
  if (result)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().message();
}

/// An error of `code` whose message holds every one of `parts`.
template <typename T>
testing::AssertionResult failsWith(const Expected<T> &result, ErrorCode code,
                                   std::initializer_list<std::string_view> parts) {
  if (result)
    return testing::AssertionFailure() << "succeeded; expected an error";
  const Error &error = result.error();
  if (error.code() != code)
    return testing::AssertionFailure()
           << toString(error.code()) << ": " << error.message() << "; expected " << toString(code);
  for (std::string_view part : parts)
    if (error.message().find(part) == std::string::npos)
      return testing::AssertionFailure()
             << "'" << error.message() << "' does not hold '" << part << "'";
  return testing::AssertionSuccess();
}

} // namespace norma::io::test

#endif // NORMA_UNITTESTS_IO_IOTESTSUPPORT_H
