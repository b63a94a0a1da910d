//! The SQL/JSON functions and their clauses.

use super::stream::{Parse, Parser};
use crate::ast::{
    Expr, ExprKind, JsonBehavior, JsonExistsOnError, JsonExpr, JsonMember, JsonOnNull, JsonWrapper,
};
use crate::lexer::Symbol;

impl Parser<'_> {
    /// The JSON function that this word names, if it names one; `(` is known to follow it.
    pub(super) fn json_call(&mut self, word: &str) -> Parse<Option<ExprKind>> {
        let parse: fn(&mut Self) -> Parse<JsonExpr> = match word {
            "JSON_EXISTS" => Self::json_exists,
            "JSON_VALUE" => Self::json_value,
            "JSON_QUERY" => Self::json_query,
            "JSON_OBJECT" => Self::json_object,
            "JSON_ARRAY" => Self::json_array,
            "JSON_OBJECTAGG" => Self::json_object_agg,
            "JSON_ARRAYAGG" => Self::json_array_agg,
            _ => return Ok(None),
        };
        self.advance();
        self.expect_symbol(Symbol::LParen)?;
        let mut parsed = parse(self)?;
        if !self.eat_symbol(Symbol::RParen) {
            return Err(self.expected("`)`"));
        }
        if let JsonExpr::ObjectAgg { filter, .. } | JsonExpr::ArrayAgg { filter, .. } = &mut parsed {
            *filter = self.filter()?;
        }
        Ok(Some(ExprKind::Json(parsed)))
    }

    /// `input, path`.
    fn json_path(&mut self) -> Parse<(Expr, Expr)> {
        let input = self.json_item()?;
        self.expect_symbol(Symbol::Comma)?;
        let path = self.expr()?;
        Ok((input, path))
    }

    /// A value, with `FORMAT JSON` behind it, which says nothing new.
    fn json_item(&mut self) -> Parse<Expr> {
        let value = self.expr()?;
        self.eat_words(&["FORMAT", "JSON"]);
        Ok(value)
    }

    fn json_exists(&mut self) -> Parse<JsonExpr> {
        const OUTCOMES: &[(&str, JsonExistsOnError)] = &[
            ("TRUE", JsonExistsOnError::True),
            ("FALSE", JsonExistsOnError::False),
            ("UNKNOWN", JsonExistsOnError::Unknown),
            ("ERROR", JsonExistsOnError::Error),
        ];
        let (input, path) = self.json_path()?;
        let mut on_error = None;
        for (word, outcome) in OUTCOMES {
            if on_error.is_none() && self.eat_word(word) {
                self.expect_words(&["ON", "ERROR"])?;
                on_error = Some(*outcome);
            }
        }
        Ok(JsonExpr::Exists { input, path, on_error })
    }

    fn json_value(&mut self) -> Parse<JsonExpr> {
        let (input, path) = self.json_path()?;
        let returning = match self.eat_word("RETURNING") {
            true => Some(self.returned_type()?),
            false => None,
        };
        let (on_empty, on_error) = self.json_behaviors()?;
        Ok(JsonExpr::Value { input, path, returning, on_empty, on_error })
    }

    fn json_query(&mut self) -> Parse<JsonExpr> {
        let (input, path) = self.json_path()?;
        let returning = match self.eat_word("RETURNING") {
            true => Some(self.returned_type()?),
            false => None,
        };
        let wrapper = self.json_wrapper()?;
        let (on_empty, on_error) = self.json_behaviors()?;
        Ok(JsonExpr::Query { input, path, returning, wrapper, on_empty, on_error })
    }

    fn json_wrapper(&mut self) -> Parse<Option<JsonWrapper>> {
        let wrapper = if self.eat_word("WITHOUT") {
            JsonWrapper::Without
        } else if self.eat_word("WITH") {
            if self.eat_word("CONDITIONAL") {
                JsonWrapper::Conditional
            } else {
                self.eat_word("UNCONDITIONAL");
                JsonWrapper::Unconditional
            }
        } else {
            return Ok(None);
        };
        self.eat_word("ARRAY");
        self.expect_word("WRAPPER")?;
        Ok(Some(wrapper))
    }

    /// `behaviour ON EMPTY` and `behaviour ON ERROR`, each at most once.
    fn json_behaviors(&mut self) -> Parse<(Option<JsonBehavior>, Option<JsonBehavior>)> {
        let (mut on_empty, mut on_error) = (None, None);
        while let Some(behavior) = self.json_behavior()? {
            self.expect_word("ON")?;
            let slot = if self.at_word("EMPTY") {
                &mut on_empty
            } else if self.at_word("ERROR") {
                &mut on_error
            } else {
                return Err(self.expected("EMPTY or ERROR"));
            };
            if slot.replace(behavior).is_some() {
                return Err(self.error(
                    self.span(),
                    "the clause is given twice".to_owned(),
                    "keep one ON EMPTY and one ON ERROR",
                ));
            }
            self.advance();
        }
        Ok((on_empty, on_error))
    }

    fn json_behavior(&mut self) -> Parse<Option<JsonBehavior>> {
        let behavior = if self.eat_word("ERROR") {
            JsonBehavior::Error
        } else if self.eat_word("NULL") {
            JsonBehavior::Null
        } else if self.eat_word("DEFAULT") {
            JsonBehavior::Default(self.expr()?)
        } else if self.eat_word("EMPTY") {
            if self.eat_word("OBJECT") {
                JsonBehavior::EmptyObject
            } else {
                self.expect_word("ARRAY")?;
                JsonBehavior::EmptyArray
            }
        } else {
            return Ok(None);
        };
        Ok(Some(behavior))
    }

    fn json_object(&mut self) -> Parse<JsonExpr> {
        let mut members = Vec::new();
        if !self.at_symbol(Symbol::RParen) && !self.at_json_on_null() {
            members = self.comma_list(Self::json_member)?;
        }
        let on_null = self.json_on_null();
        Ok(JsonExpr::Object { members, on_null })
    }

    /// `[KEY] key VALUE value` or `key : value`.
    fn json_member(&mut self) -> Parse<JsonMember> {
        if self.is_word(0, "KEY") && !self.is_word(1, "VALUE") && !self.symbol_at(1, Symbol::Colon) {
            self.advance();
        }
        let key = self.expr()?;
        if !self.eat_symbol(Symbol::Colon) {
            self.expect_word("VALUE")?;
        }
        let value = self.json_item()?;
        Ok(JsonMember { key, value })
    }

    fn at_json_on_null(&self) -> bool {
        self.at_words(&["NULL", "ON", "NULL"]) || self.at_words(&["ABSENT", "ON", "NULL"])
    }

    fn json_on_null(&mut self) -> Option<JsonOnNull> {
        if self.eat_words(&["NULL", "ON", "NULL"]) {
            Some(JsonOnNull::Null)
        } else {
            self.eat_words(&["ABSENT", "ON", "NULL"]).then_some(JsonOnNull::Absent)
        }
    }

    fn json_array(&mut self) -> Parse<JsonExpr> {
        let mut items = Vec::new();
        if !self.at_symbol(Symbol::RParen) && !self.at_json_on_null() {
            items = self.comma_list(Self::json_item)?;
        }
        let on_null = self.json_on_null();
        Ok(JsonExpr::Array { items, on_null })
    }

    fn json_object_agg(&mut self) -> Parse<JsonExpr> {
        let member = self.json_member()?;
        let on_null = self.json_on_null();
        Ok(JsonExpr::ObjectAgg { member, on_null, filter: None })
    }

    fn json_array_agg(&mut self) -> Parse<JsonExpr> {
        let item = self.json_item()?;
        let on_null = self.json_on_null();
        Ok(JsonExpr::ArrayAgg { item, on_null, filter: None })
    }
}
