// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// status.h and status_or.h: codes and their texts, copies and moves, the macros, values or errors.

#include "ray/common/status.h"

#include <boost/asio/error.hpp>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "ray/common/status_or.h"
#include "test_support.h"

namespace ray {
namespace {

using testing::HasSubstr;

struct Known {
  StatusCode code;
  int number;
  const char *text;
};

constexpr Known kKnown[] = {
    {StatusCode::OK, 0, "OK"},
    {StatusCode::OutOfMemory, 1, "Out of memory"},
    {StatusCode::KeyError, 2, "Key error"},
    {StatusCode::TypeError, 3, "Type error"},
    {StatusCode::Invalid, 4, "Invalid"},
    {StatusCode::IOError, 5, "IOError"},
    {StatusCode::UnknownError, 9, "Unknown error"},
    {StatusCode::NotImplemented, 10, "NotImplemented"},
    {StatusCode::RedisError, 11, "RedisError"},
    {StatusCode::TimedOut, 12, "TimedOut"},
    {StatusCode::Interrupted, 13, "Interrupted"},
    {StatusCode::IntentionalSystemExit, 14, "IntentionalSystemExit"},
    {StatusCode::UnexpectedSystemExit, 15, "UnexpectedSystemExit"},
    {StatusCode::CreationTaskError, 16, "CreationTaskError"},
    {StatusCode::NotFound, 17, "NotFound"},
    {StatusCode::Disconnected, 18, "Disconnected"},
    {StatusCode::SchedulingCancelled, 19, "SchedulingCancelled"},
    {StatusCode::AlreadyExists, 20, "AlreadyExists"},
    {StatusCode::ObjectExists, 21, "ObjectExists"},
    {StatusCode::ObjectNotFound, 22, "ObjectNotFound"},
    {StatusCode::ObjectAlreadySealed, 23, "ObjectAlreadySealed"},
    {StatusCode::ObjectStoreFull, 24, "ObjectStoreFull"},
    {StatusCode::TransientObjectStoreFull, 25, "TransientObjectStoreFull"},
    {StatusCode::OutOfDisk, 28, "OutOfDisk"},
    {StatusCode::ObjectUnknownOwner, 29, "ObjectUnknownOwner"},
    {StatusCode::RpcError, 30, "RpcError"},
    {StatusCode::OutOfResource, 31, "OutOfResource"},
    {StatusCode::ObjectRefEndOfStream, 32, "ObjectRefEndOfStream"},
    {StatusCode::Unauthenticated, 33, "Unauthenticated"},
    {StatusCode::InvalidArgument, 34, "InvalidArgument"},
    {StatusCode::ChannelError, 35, "ChannelError"},
    {StatusCode::ChannelTimeoutError, 36, "ChannelTimeoutError"},
    {StatusCode::PermissionDenied, 37, "PermissionDenied"},
};

TEST(StatusCodeTest, EveryNumberHasItsText) {
  size_t known = 0;
  for (int number = -128; number < 128; number++) {
    const auto code = static_cast<StatusCode>(number);
    const std::string text = Status(code, "").CodeAsString();
    if (known < std::size(kKnown) && kKnown[known].number == number) {
      EXPECT_EQ(kKnown[known].code, code);
      EXPECT_EQ(text, kKnown[known].text);
      EXPECT_EQ(Status::StringToCode(text), code);
      known++;
    } else {
      EXPECT_EQ(text, "Unknown") << number;
    }
  }
  EXPECT_EQ(known, std::size(kKnown));
}

TEST(StatusCodeTest, OtherTextsAreIOErrors) {
  for (const auto &text : {std::string(), std::string("Unknown"), std::string("\xff\0", 2)}) {
    EXPECT_EQ(Status::StringToCode(text), StatusCode::IOError);
  }
}

TEST(StatusTest, ConstructorsAndQuestionsGoTogether) {
  int asked = 0;
#define CHECK_CODE(Name, number)                              \
  EXPECT_EQ(Status::Name("why").code(), StatusCode::Name);    \
  EXPECT_EQ(Status::Name("why").message(), "why");            \
  EXPECT_EQ(Status::Name("why").rpc_code(), -1);              \
  EXPECT_TRUE(Status::Name("why").Is##Name());                \
  EXPECT_FALSE(Status::OK().Is##Name());                      \
  EXPECT_FALSE(Status::RpcError("why", 1).Is##Name());        \
  asked++;
  PLASMA_RS_PLAIN_ERRORS(CHECK_CODE)
#undef CHECK_CODE
  EXPECT_EQ(asked, 31);
  const Status rpc = Status::RpcError("why", 14);
  EXPECT_TRUE(rpc.IsRpcError());
  EXPECT_EQ(rpc.rpc_code(), 14);
}

TEST(StatusTest, WhatIsWellIsNothing) {
  EXPECT_EQ(sizeof(Status), sizeof(void *));
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::OK);
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.rpc_code(), -1);
  EXPECT_EQ(status.ToString(), "OK");
  EXPECT_TRUE(Status(StatusCode::OK, "does not count").ok());
}

TEST(StatusTest, SaysAllThatItHas) {
  EXPECT_EQ(Status::OutOfMemory("no room").ToString(), "Out of memory: no room");
  EXPECT_EQ(Status::RpcError("gone", 14).StatusString(), "RpcError: gone rpc_code: 14");
  EXPECT_EQ(Status(StatusCode::Invalid, "odd", SourceLocation("a.cc", 7)).ToString(),
            "Invalid: odd at a.cc:7");
  EXPECT_EQ(Status(StatusCode::RpcError, "odd", SourceLocation("a.cc", 7), 3).ToString(),
            "RpcError: odd rpc_code: 3 at a.cc:7");
  const std::string bytes("\0\xff", 2);
  EXPECT_EQ(Status::IOError(bytes).ToString(), "IOError: " + bytes);
  std::ostringstream out;
  out << Status::NotFound("x");
  EXPECT_EQ(out.str(), "NotFound: x");
  const Status here(StatusCode::Invalid, "odd", RAY_LOC());
  EXPECT_THAT(here.ToString(), HasSubstr("status_test.cc:" + std::to_string(__LINE__ - 1)));
}

TEST(StatusTest, MessagesCanBeAppendedTo) {
  Status status = Status::Invalid("one");
  status << " two " << 3 << " " << std::string("four");
  EXPECT_EQ(status.message(), "one two 3 four");
  Status ok;
  ok << "nothing";
  EXPECT_TRUE(ok.ok());
}

TEST(StatusTest, CopiesAndMoves) {
  Status status = Status::RpcError("why", 5);
  Status copy = status;
  EXPECT_EQ(copy.ToString(), status.ToString());
  copy << "!";
  EXPECT_EQ(status.message(), "why");
  Status moved = std::move(copy);
  EXPECT_EQ(moved.message(), "why!");
  EXPECT_TRUE(copy.ok());  // NOLINT: that is what is tested
  Status assigned = Status::Invalid("other");
  assigned = std::move(moved);
  EXPECT_EQ(assigned.message(), "why!");
  const Status &same = assigned;
  assigned = same;
  EXPECT_EQ(assigned.message(), "why!");
  assigned = Status::OK();
  EXPECT_TRUE(assigned.ok());
  assigned = status;
  EXPECT_EQ(assigned.rpc_code(), 5);
  EXPECT_TRUE(std::is_nothrow_move_constructible_v<Status>);
  EXPECT_TRUE(std::is_nothrow_move_assignable_v<Status>);
}

TEST(StatusTest, ErrorsOfAsioAreIOErrors) {
  EXPECT_TRUE(boost_to_ray_status(boost::system::error_code()).ok());
  const Status status = boost_to_ray_status(boost::asio::error::eof);
  EXPECT_TRUE(status.IsIOError());
  EXPECT_EQ(status.message(), "End of file");
}

Status Returned(const Status &status, int &evaluated) {
  RAY_RETURN_NOT_OK((evaluated++, status));
  return Status::NotFound("went on");
}

TEST(MacrosTest, ReturnEvaluatesOnce) {
  int evaluated = 0;
  EXPECT_TRUE(Returned(Status::Invalid("x"), evaluated).IsInvalid());
  EXPECT_TRUE(Returned(Status::OK(), evaluated).IsNotFound());
  EXPECT_EQ(evaluated, 2);
}

TEST(MacrosTest, CheckEndsTheProcessWithItsText) {
  RAY_CHECK_OK(Status::OK()) << "not shown";
  bool otherwise = false;
  if (otherwise)
    RAY_CHECK_OK(Status::Invalid("x"));
  else
    otherwise = true;
  EXPECT_TRUE(otherwise) << "it takes no else";
  EXPECT_DEATH(RAY_CHECK_OK(Status::Invalid("odd")) << "more",
               "Status::Invalid.*Status not OK: Invalid: odd more");
}

using Either = StatusSetOr<int64_t, StatusT::IOError, StatusT::NotFound>;

TEST(StatusSetTest, IsWellOrOneOfItsErrors) {
  StatusSet<StatusT::IOError, StatusT::OutOfMemory> set = StatusT::OK();
  EXPECT_TRUE(set.ok());
  EXPECT_DEATH(set.error(), "no error");
  set = StatusT::OutOfMemory("full");
  EXPECT_TRUE(set.has_error());
  const std::string seen =
      std::visit(overloaded{[](const StatusT::IOError &) { return std::string(); },
                            [](const StatusT::OutOfMemory &error) { return error.ToString(); }},
                 set.error());
  EXPECT_EQ(seen, "StatusT: OutOfMemory, Message: full");
  std::get<StatusT::OutOfMemory>(set.error()).message() += "!";
  EXPECT_EQ(std::get<1>(set.error()).message(), "full!");
}

TEST(StatusSetTest, IsAValueOrOneOfItsErrors) {
  Either value = 7;
  EXPECT_TRUE(value.has_value());
  EXPECT_EQ(value.value(), 7);
  value.value()++;
  EXPECT_EQ(value.value(), 8);
  EXPECT_THROW(value.error(), std::bad_variant_access);
  const Either error = StatusT::NotFound("gone");
  EXPECT_TRUE(error.has_error());
  EXPECT_EQ(error.message(), "gone");
  EXPECT_TRUE(std::holds_alternative<StatusT::NotFound>(error.error()));
  EXPECT_THROW(error.value(), std::bad_variant_access);
  RAY_ASSIGN_OR_CHECK_SET(const int64_t assigned, Either(9));
  EXPECT_EQ(assigned, 9);
  EXPECT_DEATH({ RAY_ASSIGN_OR_CHECK_SET(const int64_t none, Either(error)); (void)none; }, "gone");
}

/// Counts those that are alive, and can refuse to be copied.
struct Counted {
  explicit Counted(int value = 0) : value(value) { alive++; }
  Counted(const Counted &other) : value(other.value) {
    if (refuse) {
      throw std::runtime_error("no copies");
    }
    alive++;
  }
  Counted &operator=(const Counted &) = default;
  ~Counted() { alive--; }

  int value;
  static inline int alive = 0;
  static inline bool refuse = false;
};

TEST(StatusOrTest, LiesInItsObject) {
  EXPECT_EQ(sizeof(StatusOr<int64_t>), sizeof(Status) + sizeof(int64_t));
  EXPECT_EQ(StatusOr<int>().value(), 0);
  EXPECT_EQ(StatusOr<std::string>(std::in_place, 3, 'x').value(), "xxx");
}

TEST(StatusOrTest, ValuesLiveWhileTheStatusIsOk) {
  {
    const StatusOr<Counted> error = Status::NotFound("gone");
    EXPECT_EQ(Counted::alive, 0);
    StatusOr<Counted> value = Counted(7);
    EXPECT_EQ(Counted::alive, 1);
    StatusOr<Counted> other = value;
    EXPECT_EQ(Counted::alive, 2);
    other = error;
    EXPECT_EQ(Counted::alive, 1);
    EXPECT_TRUE(other.IsNotFound());
    other = value;
    EXPECT_EQ(other->value, 7);
    value = Counted(8);
    other = std::move(value);
    EXPECT_EQ(other->value, 8);
    EXPECT_EQ(Counted::alive, 2) << "what is moved from keeps its value";
    swap(value, other);
    other = StatusOr<Counted>(error);
    swap(value, other);
    EXPECT_TRUE(value.IsNotFound());
    EXPECT_TRUE(other.ok());
    const StatusOr<Counted> from_ok = Status::OK();
    EXPECT_EQ(from_ok->value, 0) << "a value that is made from nothing";
    EXPECT_TRUE(std::move(value).status().IsNotFound());
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(StatusOrTest, AConstructorThatThrowsLeavesNothing) {
  {
    const StatusOr<Counted> value = Counted(7);
    StatusOr<Counted> other = Status::NotFound("gone");
    Counted::refuse = true;
    EXPECT_THROW(other = value, std::runtime_error);
    EXPECT_TRUE(other.IsNotFound());
    EXPECT_THROW(StatusOr<Counted>{value}, std::runtime_error);
    Counted::refuse = false;
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(StatusOrTest, ValuesThatCannotBeAssignedAreMadeAnew) {
  struct Fixed {
    const int value = 0;
  };
  StatusOr<Fixed> fixed = Fixed{1};
  fixed = StatusOr<Fixed>(Fixed{2});
  EXPECT_EQ(fixed->value, 2);
}

TEST(StatusOrTest, ValuesThatOnlyMove) {
  StatusOr<std::unique_ptr<std::string>> value = std::make_unique<std::string>("x");
  StatusOr<std::shared_ptr<const std::string>> other = std::move(value);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(**other, "x");
  EXPECT_EQ(value.value(), nullptr) << "taken";
  const std::shared_ptr<const std::string> taken = std::move(other).value();
  EXPECT_EQ(*taken, "x");
}

TEST(StatusOrTest, TheErrorIsNamedWhereAValueIsExpected) {
  const StatusOr<int> error = Status::NotFound("gone");
  EXPECT_FALSE(error);
  EXPECT_EQ(error.message(), "gone");
  EXPECT_EQ(error.ToString(), "NotFound: gone");
  EXPECT_DEATH(error.value(), "NotFound: gone");
  EXPECT_EQ(error.value_or(5), 5);
  EXPECT_EQ(StatusOr<int>(6).value_or(5), 6);
  EXPECT_EQ(error.value_or_default(), 0);
}

TEST(StatusOrTest, StepsFollowEachOther) {
  const auto half = [](const StatusOr<int> &value) -> StatusOr<std::string> {
    return *value % 2 == 0 ? StatusOr<std::string>(std::to_string(*value / 2))
                           : Status::Invalid("odd");
  };
  const auto zero = [](const Status &) { return StatusOr<int>(0); };
  EXPECT_EQ(StatusOr<int>(8).and_then(half).value(), "4");
  EXPECT_TRUE(StatusOr<int>(7).and_then(half).IsInvalid());
  const StatusOr<int> error = Status::NotFound("gone");
  EXPECT_TRUE(error.and_then(half).IsNotFound());
  EXPECT_EQ(error.or_else(zero).value(), 0);
  EXPECT_EQ(StatusOr<int>(8).or_else(zero).value(), 8);
}

StatusOr<int> Sum(const StatusOr<int> &left, const StatusOr<int> &right) {
  RAY_ASSIGN_OR_RETURN(int sum, left);
  RAY_ASSIGN_OR_RETURN(const int more, right);
  sum += more;
  return sum;
}

TEST(StatusOrTest, MacrosTakeTheValueOrLeave) {
  EXPECT_EQ(Sum(1, 2).value(), 3);
  EXPECT_TRUE(Sum(1, Status::Invalid("x")).IsInvalid());
  EXPECT_TRUE(Sum(Status::NotFound("x"), 2).IsNotFound());
  RAY_ASSIGN_OR_CHECK(const int sum, Sum(3, 4));
  EXPECT_EQ(sum, 7);
  EXPECT_EQ(StatusOr<int>(1), StatusOr<int>(1));
  EXPECT_NE(StatusOr<int>(1), StatusOr<int>(2));
  EXPECT_NE(StatusOr<int>(1), StatusOr<int>(Status::Invalid("x")));
  EXPECT_EQ(StatusOr<int>(Status::Invalid("y")), StatusOr<int>(Status::Invalid("x")));
}

}  // namespace
}  // namespace ray
